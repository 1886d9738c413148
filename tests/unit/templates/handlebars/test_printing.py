"""What `{{…}}` writes: paths, escaping, and values as JavaScript prints them."""

from typing import Any

import pytest

from templates.handlebars import LimitExceeded, MissingVariable, RenderError, compile


def render(source: str, *, escape: bool = True, **data: Any) -> str:
    return compile(source, escape=escape).render(data)


def test_a_variable_is_escaped_in_html_and_raw_with_three_braces_or_an_ampersand():
    special = "&<>\"'`=/"
    assert render("{{x}}", x=special) == "&amp;&lt;&gt;&quot;&#x27;&#x60;&#x3D;/"
    assert render("{{{x}}}{{&x}}{{{ x }}}", x="<b>") == "<b><b><b>"


def test_nothing_is_escaped_in_subjects_and_texts():
    assert render("{{x}} {{{x}}}", escape=False, x="<a&b>") == "<a&b> <a&b>"


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        ("", ""),
        ("a", "a"),
        (None, ""),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-12.5, "-12.5"),
        (0.1, "0.1"),
        (1e-7, "1e-7"),
        (1.5e-7, "1.5e-7"),
        (0.000001, "0.000001"),
        (0.00001234, "0.00001234"),
        (1e20, "100000000000000000000"),
        (123456789012345680000.0, "123456789012345680000"),
        (1e21, "1e+21"),
        (-1.25e22, "-1.25e+22"),
        (5e-324, "5e-324"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (2**53 + 1, "9007199254740993"),
        ([], ""),
        ([1, "b", None, [True, [2.0]]], "1,b,,true,2"),
    ],
)
def test_values_print_as_in_javascript(value, printed):
    assert render("{{x}}", x=value) == printed


@pytest.mark.parametrize("value", [{}, {"a": 1}, [1, {}]])
def test_an_object_has_no_text(value):
    with pytest.raises(RenderError, match=r"an object has no text.*\(line 2, column 3\)"):
        render("\n  {{x}}", x=value)


@pytest.mark.parametrize("value", [object(), b"bytes", {1}, (1, 2), len, Exception])
def test_what_is_no_json_value_is_refused(value):
    with pytest.raises(RenderError, match="is no JSON value"):
        render("{{x}}", x=value)
    with pytest.raises(MissingVariable):
        render("{{x.__class__}}", x=value)


def test_a_number_of_thousands_of_digits_is_refused():
    with pytest.raises(RenderError, match="too many digits"):
        render("{{x}}", x=10**5000)


def test_lists_in_lists_print_to_a_depth():
    deep: Any = ["x"]
    for _ in range(19):
        deep = [deep]
    assert render("{{x}}", x=deep) == "x"
    with pytest.raises(LimitExceeded) as exceeded:
        render("{{x}}", x=[deep])
    assert exceeded.value.what == "nesting"


@pytest.mark.parametrize(
    "path",
    ["a.b.0.c", "a/b/0/c", "./a.b.0.c", "this.a.b.0.c", "this/a/b.[0].c", "@root.a.b.0.c", "a.[b].0.[c]"],
)
def test_a_path_goes_through_objects_and_lists(path):
    assert render(f"{{{{{path}}}}}", a={"b": [{"c": "found"}]}) == "found"


def test_a_key_with_any_characters_stands_in_brackets():
    data = {"first name": "Ann", "a]b": "B", "this": "T", "x-y": "XY", "1st": "F"}
    assert render("{{[first name]}}{{[a\\]b]}}{{[this]}}{{x-y}}{{1st}}", **data) == "AnnBTXYF"


def test_lists_and_texts_have_a_length_and_positions():
    assert render("{{l.length}}{{s.length}}{{l.1}}{{s.0}}", l=["a", "b"], s="xyz") == "23bx"
    assert render("{{o.length}}", o={"length": "own"}) == "own"


@pytest.mark.parametrize(
    "path", ["l.2", "l.-1", "l.01", "l.x", "s.3", "s.upper", "o.y", "n.x", "b.x", "o.x.y", "z.x", "nobody"]
)
def test_everything_else_is_missing_by_the_name_that_was_written(path):
    with pytest.raises(MissingVariable) as missing:
        render(f"a\n {{{{{path}}}}}", l=[1, 2], s="xyz", o={"x": 1}, n=5, b=True, z=None)
    assert (missing.value.name, missing.value.line, missing.value.column) == (path, 2, 4)
    assert str(missing.value) == f"{path} has no value (line 2, column 4)"


@pytest.mark.parametrize(
    "path",
    ["__class__", "x.__class__", "x.__len__", "x.upper", "l.append", "keys", "l.__class__.__mro__", "items"],
)
def test_no_attribute_and_no_method_can_be_reached(path):
    with pytest.raises(MissingVariable):
        render(f"{{{{{path}}}}}", x="text", l=[1])


def test_a_key_may_have_the_name_of_a_helper_or_of_an_attribute():
    data = {"date": "today", "not": "knot", "__class__": "plain", "constructor": "own"}
    assert render("{{date}} {{uppercase date}} {{not}} {{__class__}} {{constructor}}", **data) == (
        "today TODAY knot plain own"
    )


def test_comments_write_nothing():
    assert render("a{{! x {{y}}b{{!-- {{z}} }} --}}c{{!}}d{{!----}}e{{!--}}f") == "abcdef"


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ("\\{{x}}", "{{x}}"),
        ("\\{{x}} {{x}}", "{{x}} 1"),
        ("\\{{x}} \\{{x}}", "{{x}} {{x}}"),
        ("\\\\{{x}}", "\\1"),
        ("\\\\\\{{x}}", "\\\\1"),
        ("\\{{{x}}}", "{{{x}}}"),
        ("\\x \\ {{x}}", "\\x \\ 1"),
        ("\\{{#if x}} {{x}}", "{{#if x}} 1"),
    ],
)
def test_a_backslash_keeps_a_tag_from_being_one(source, printed):
    assert render(source, x=1) == printed


def test_a_program_is_rendered_with_other_data_each_time():
    program = compile("{{x}}", escape=True)
    assert [program.render({"x": x}) for x in ("a", "b")] == ["a", "b"]
    with pytest.raises(MissingVariable):
        program.render({})
    assert program.render({"x": "c"}) == "c"


def test_data_may_be_any_mapping():
    from types import MappingProxyType

    assert compile("{{x}}", escape=True).render(MappingProxyType({"x": 1})) == "1"
