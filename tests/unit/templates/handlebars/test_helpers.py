"""The helpers, with what they take, give and refuse."""

from typing import Any

import pytest

from templates.handlebars import HelperError, MissingVariable, compile


def render(source: str, **data: Any) -> str:
    return compile(source, escape=False).render(data)


@pytest.mark.parametrize(
    ("call", "printed"),
    [
        ("uppercase 'straße é'", "STRASSE É"),
        ("lowercase 'ABC É'", "abc é"),
        ("capitalize 'ab CD'", "Ab CD"),
        ("capitalize ''", ""),
        ("uppercase null", ""),
        ("uppercase true", "TRUE"),
        ("uppercase 1.0", "1"),
        ('uppercase "it\'s \\"x\\""', 'IT\'S "X"'),
        ("uppercase 'it\\'s'", "IT'S"),
    ],
)
def test_letters_change_case(call, printed):
    assert render(f"{{{{{call}}}}}") == printed


@pytest.mark.parametrize("value", [[], ["a"], {}, {"a": 1}])
def test_a_list_or_an_object_has_no_case(value):
    with pytest.raises(HelperError, match="uppercase: it takes a text, not a list or an object"):
        render("{{uppercase x}}", x=value)


def test_the_result_of_a_helper_is_escaped_like_a_value():
    assert compile("{{uppercase x}}{{{uppercase x}}}", escape=True).render({"x": "<a>"}) == "&lt;A&gt;<A>"


@pytest.mark.parametrize("value", [None, ""])
def test_default_stands_in_for_null_and_an_empty_text(value):
    assert render("{{default x 'there'}}", x=value) == "there"


@pytest.mark.parametrize(("value", "printed"), [(0, "0"), (False, "false"), (" ", " "), ([], "")])
def test_default_keeps_other_values(value, printed):
    assert render("{{default x 'there'}}", x=value) == printed


def test_default_stands_in_for_what_is_missing():
    assert render("{{default x.y 'there'}}{{default x (default y 'z')}}") == "therez"
    with pytest.raises(MissingVariable) as missing:
        render("{{default x y}}")
    assert missing.value.name == "y"
    assert render("{{default x y}}", x="given") == "given"


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("eq 1 1.0", True),
        ("eq 1 '1'", False),
        ("eq true 1", False),
        ("eq false 0", False),
        ("eq null missing", True),
        ("eq '' null", False),
        ("eq 'a' 'a'", True),
        ("eq l l", True),
        ("eq l m", False),
        ("eq o l", False),
        ("ne 1 2", True),
        ("ne 'a' 'a'", False),
        ("gt 2 1", True),
        ("gt 1 1", False),
        ("gte 1 1.0", True),
        ("lt 'a' 'b'", True),
        ("lt 'b' 'a'", False),
        ("lte 2 1", False),
        ("gt null 1", False),
        ("lte missing 1", False),
        ("not missing", True),
        ("not l", False),
        ("not 0", True),
        ("not o", False),
    ],
)
def test_values_are_compared(test, expected):
    data: dict[str, Any] = {"l": [1], "m": [1], "o": {}}
    assert render(f"{{{{#if ({test})}}}}yes{{{{else}}}}no{{{{/if}}}}", **data) == (
        "yes" if expected else "no"
    )


@pytest.mark.parametrize(
    ("left", "right"), [("'10'", "9"), ("true", "1"), ("l", "l"), ("o", "1"), ("'a'", "l")]
)
def test_values_without_an_order_are_refused(left, right):
    with pytest.raises(
        HelperError, match=r"gt: only two numbers or two texts can be compared \(line 2, column 8\)"
    ):
        render(f"\n{{{{#if (gt {left} {right})}}}}{{{{/if}}}}", l=[], o={})


@pytest.mark.parametrize(
    ("call", "printed"),
    [
        ("and 1 'a' 'last'", "last"),
        ("and 1 0 'last'", "0"),
        ("and missing 'last'", ""),
        ("or 0 '' 'first' 'other'", "first"),
        ("or 0 ''", ""),
        ("or missing missing", ""),
        ("or l 'empty'", "empty"),
        ("or missing (uppercase 'x')", "X"),
    ],
)
def test_and_and_or_give_the_value_that_decides(call, printed):
    assert render(f"{{{{{call}}}}}", l=[]) == printed


def test_what_is_decided_is_not_looked_at_further():
    assert (
        render("{{#if (or 1 (gt 'a' 1))}}yes{{/if}}{{#if (and 0 (gt 'a' 1))}}{{/if}}{{default 1 nobody}}")
        == "yes1"
    )


def test_a_missing_variable_outside_of_a_test_is_an_error_in_a_helper_too():
    for call in (
        "uppercase x",
        "eq x 1",
        "gt 1 x",
        "lookup x 'a'",
        "lookup o x",
        "date x",
        "currency x 'EUR'",
    ):
        with pytest.raises(MissingVariable) as missing:
            render(f"{{{{{call}}}}}", o={})
        assert missing.value.name == "x"


def test_inside_of_a_test_everything_may_be_missing():
    source = "{{#if (eq (uppercase (lookup x y)) 'A')}}yes{{else}}no{{/if}}"
    assert render(source) == "no"
    assert render(source, x={"k": "a"}, y="k") == "yes"


@pytest.mark.parametrize(
    ("call", "printed"),
    [
        ("lookup o 'a'", "A"),
        ("lookup o k", "A"),
        ("lookup o 5", "five"),
        ("lookup l 1", "y"),
        ("lookup l 1.0", "y"),
        ("lookup l '0'", "x"),
        ("lookup l 'length'", "2"),
        ("lookup (lookup o 'in') 'b'", "B"),
    ],
)
def test_lookup_finds_by_a_value(call, printed):
    data: dict[str, Any] = {"o": {"a": "A", "5": "five", "in": {"b": "B"}}, "l": ["x", "y"], "k": "a"}
    assert render(f"{{{{{call}}}}}", **data) == printed


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("lookup o 'b'", "o.b"),
        ("lookup l 2", "l.2"),
        ("lookup l -1", "l.-1"),
        ("lookup null 'a'", "lookup.a"),
        ("lookup o '__class__'", "o.__class__"),
        ("lookup l 0.5", "l.0.5"),
        ("lookup o true", "o.true"),
    ],
)
def test_lookup_of_nothing_is_missing(call, name):
    with pytest.raises(MissingVariable) as missing:
        render(f"{{{{{call}}}}}", o={"a": 1}, l=[1, 2])
    assert missing.value.name == name


@pytest.mark.parametrize("key", [None, [], {}])
def test_lookup_needs_a_text_or_a_number(key):
    with pytest.raises(HelperError, match="lookup: a key is a text or a number"):
        render("{{lookup o k}}", o={}, k=key)


def test_lookup_goes_along_with_a_loop():
    assert render(
        "{{#each names}}{{this}}={{lookup ../prices @index}} {{/each}}", names=["a", "b"], prices=[1, 2]
    ) == ("a=1 b=2 ")
