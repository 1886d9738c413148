"""A version and values become a mail; programs are kept, within bounds."""

from uuid import uuid4

import pytest

from templates.errors import TemplateRenderError
from templates.rendering import Content, ProgramCache, Rendered, compiled, render
from templates.variables import Declared


def made(**parts):
    return Content(**{"subject": None, "html": None, "text": None, **parts})


def test_each_part_is_rendered_in_its_way():
    programs = compiled(made(subject="{{x}}", html="<p>{{x}}</p>", text="{{x}}"))
    assert render(programs, {"x": "a & b"}, provided={}) == Rendered(
        subject="a & b", html="<p>a &amp; b</p>", text="a & b"
    )
    assert render(compiled(made(text="x")), {}, provided={}) == Rendered(subject=None, html=None, text="x")


def test_a_subject_has_no_control_characters():
    programs = compiled(made(subject=" Hi {{x}}\u2028!"))
    said = render(programs, {"x": "a\r\nBcc: b@example.com\x00\x85"}, provided={}).subject
    assert said == "Hi a Bcc: b@example.com !"


def test_a_subject_has_at_most_998_characters():
    programs = compiled(made(subject="{{x}}"))
    assert len(render(programs, {"x": "x" * 998}, provided={}).subject) == 998
    with pytest.raises(TemplateRenderError) as caught:
        render(programs, {"x": "x" * 999}, provided={})
    assert (caught.value.part, caught.value.code) == ("subject", "limit_exceeded")


@pytest.mark.parametrize(
    ("parts", "part", "code", "line", "message"),
    [
        ({"html": "a\n {{#if x}}"}, "html", "invalid_syntax", 2, "html, line 2, column 2: "),
        ({"text": "a {{#if x}}{{else"}, "text", "invalid_syntax", 1, "text, line 1, column "),
    ],
)
def test_wrong_syntax_is_told_with_its_place(parts, part, code, line, message):
    with pytest.raises(TemplateRenderError) as caught:
        compiled(made(**parts))
    error = caught.value
    assert (error.part, error.code, error.line) == (part, code, line)
    assert error.message.startswith(message)
    assert [(one.field, one.code) for one in error.errors] == [(part, code)]


@pytest.mark.parametrize(
    ("html", "code", "variable"),
    [
        ("\n{{user.name}}", "missing_variable", "user.name"),
        ("\n{{currency user}}", "render_failed", None),
        (
            "\n{{#each many}}{{#each @root.many}}{{#each @root.many}}x{{/each}}{{/each}}{{/each}}",
            "limit_exceeded",
            None,
        ),
    ],
)
def test_what_cannot_be_rendered_is_told_with_its_place(html, code, variable):
    with pytest.raises(TemplateRenderError) as caught:
        render(compiled(made(html=html)), {"user": {}, "many": [0] * 100}, provided={})
    assert (caught.value.part, caught.value.code, caught.value.variable) == ("html", code, variable)
    assert caught.value.line == 2
    assert caught.value.name == "template_render_error"


def test_fallbacks_and_provided_values_are_merged_in():
    content = made(text="{{a}} {{unsubscribe_url}}", variables=(Declared(key="a", fallback="f"),))
    assert render(compiled(content), {}, provided={"unsubscribe_url": "u"}).text == "f u"


def test_programs_are_kept_by_version_and_the_least_used_go_first():
    cache = ProgramCache(100)
    old, used, new = uuid4(), uuid4(), uuid4()
    kept = {one: cache.put(one, made(html="x" * 40)) for one in (old, used)}
    assert cache.get(old) is kept[old]
    assert cache.get(used) is kept[used]
    cache.put(new, made(html="y" * 40))
    assert cache.get(old) is None
    assert cache.get(used) is kept[used]


def test_a_version_that_is_too_long_to_keep_is_compiled_all_the_same():
    cache, one = ProgramCache(10), uuid4()
    programs = cache.put(one, made(text="x" * 11))
    assert render(programs, {}, provided={}).text == "x" * 11
    assert cache.get(one) is None


def test_a_cache_that_forgets_begins_anew():
    cache, one = ProgramCache(10), uuid4()
    cache.put(one, made(text="x" * 10))
    cache.clear()
    assert cache.get(one) is None
    other = uuid4()
    cache.put(other, made(text="y" * 10))
    assert cache.get(other) is not None
