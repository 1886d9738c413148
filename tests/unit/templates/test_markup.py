"""HTML with expressions in it, cut into pieces."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templates.markup import Kind, balance, pieces

BITS = (
    *(
        "<p>",
        "</p>",
        "<b class=x>",
        "</b>",
        '<td title="a > {{x}}">',
        "<br/>",
        "<style>",
        "</style>",
        "<!--",
        "-->",
    ),
    *(
        "{{x}}",
        "{{{y}}}",
        '{{#if (eq a "}}")}}',
        "{{/if}}",
        "{{! it's }}",
        "{{!-- {{ --}}",
        "\\{{z}}",
        "{",
        "<",
        '"',
    ),
    *("'", "\\", "\n", " ", "text", "é"),
)


def kinds(html: str) -> list[tuple[Kind, str]]:
    return [(piece.kind, piece.text) for piece in pieces(html)]


@settings(deadline=None)
@given(st.lists(st.sampled_from(BITS), max_size=30).map("".join))
def test_all_pieces_together_are_the_text(html):
    assert "".join(piece.text for piece in pieces(html)) == html


def test_tags_expressions_comments_and_text_are_told_apart():
    html = '<p class="{{#if a}}x > y{{/if}}">Hi {{name}}<!-- {{no}} --></p>'
    assert kinds(html) == [
        (Kind.OPEN, '<p class="{{#if a}}x > y{{/if}}">'),
        (Kind.TEXT, "Hi "),
        (Kind.EXPRESSION, "{{name}}"),
        (Kind.COMMENT, "<!-- {{no}} -->"),
        (Kind.CLOSE, "</p>"),
    ]


@pytest.mark.parametrize(
    "expression",
    [
        '{{default x "}}"}}',
        "{{default x '}}'}}",
        '{{{default x "}}}"}}}',
        "{{! it's a comment }}",
        "{{!-- with }} inside --}}",
        "{{~#if a~}}",
        "{{~{raw}~}}",
        '{{x "a\\"b}}"}}',
    ],
)
def test_an_expression_ends_where_handlebars_says(expression):
    assert kinds(f"a{expression}b")[1] == (Kind.EXPRESSION, expression)


def test_an_escaped_expression_is_text_and_one_after_two_backslashes_is_not():
    assert Kind.EXPRESSION not in dict(kinds("\\{{x}}"))
    assert kinds("\\\\{{x}}")[-1] == (Kind.EXPRESSION, "{{x}}")


def test_what_stands_in_a_style_or_title_is_raw():
    found = list(pieces("<style>a > b { c: {{d}} }</style><TITLE>a <b> {{c}}</TITLE>"))
    assert [(p.name, p.text) for p in found if p.kind == Kind.RAW] == [
        ("style", "a > b { c: {{d}} }"),
        ("title", "a <b> {{c}}"),
    ]


def test_a_smaller_sign_in_text_is_text():
    assert kinds("1 < 2") == [(Kind.TEXT, "1 "), (Kind.TEXT, "<"), (Kind.TEXT, " 2")]


@pytest.mark.parametrize("html", ["<p title='", "<p class={{x}}", "<!-- {{x}}", "</p"])
def test_a_tag_that_never_ends_takes_the_rest(html):
    assert kinds(f"a{html} b") == [(Kind.TEXT, "a"), (Kind.BROKEN, f"{html} b")]


@pytest.mark.parametrize(
    "unit", ['<a "', "<", "<!--", '<b x="{{a}}" ', "{{a}}", "<p>", "\\{{", "<style>", "'\"", "{{{a}}} <x '"]
)
def test_hostile_text_costs_no_more_than_its_length(unit):
    html = unit * (200_000 // len(unit))
    assert sum(len(piece.text) for piece in pieces(html)) == len(html)
    balance(html)


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ("<div><p>a<p>b</div>", None),
        ("<ul><li>a<li>b</ul>", None),
        ("<table><tr><td>a<tr><td>b</table>", None),
        ("<br><img src=x><hr/>", None),
        ("{{#if a}}<b>x</b>{{/if}}", None),
        ("<b><i>x</b></i>", "</b> closes nothing that is open (line 1)"),
        ("<div>\n<b>\n</div>", "</div> closes nothing that is open (line 3)"),
        ("<div>\n<div>", "<div> is not closed (line 2)"),
        ("a\n<p title='x", "a tag or comment never ends (line 2)"),
        ("<b><p></b>", "</b> closes nothing that is open (line 1)"),
        ("<b/>", "<b> is not closed (line 1)"),
    ],
)
def test_tags_that_do_not_fit_together_are_found(html, fault):
    assert balance(html).fault == fault


@pytest.mark.parametrize(
    ("mjml", "fault"),
    [
        ("<mj-text/>", None),
        ("<mj-text><br></mj-text>", None),
        ("<mj-text><p>a</mj-text>", "</mj-text> closes nothing that is open (line 1)"),
    ],
)
def test_in_mjml_no_end_tag_may_be_left_out(mjml, fault):
    assert balance(mjml, xml=True).fault == fault


def test_depth_and_number_are_counted():
    found = balance("<div><div><br></div></div><p>")
    assert (found.depth, found.tags) == (2, 4)


def test_names_of_tags_end_at_expressions():
    for before, after in product(("", " "), (">", " >")):
        tag = f"<td{before}{{{{#if a}}}}class=x{{{{/if}}}}{after}"
        assert [(p.kind, p.name) for p in pieces(tag)] == [(Kind.OPEN, "td")]
