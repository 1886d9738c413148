"""The text of HTML, with and without expressions."""

import pytest

from templates.plaintext import from_html, from_template


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<h1>Hi</h1><p>One<br>two &amp; three</p>", "Hi\n\nOne\ntwo & three"),
        ("<ul><li>a</li><li>b</li></ul>", "* a\n  * b"),
        ("<style>p{}</style><script>x()</script><title>t</title>", ""),
        ("", ""),
        ("  \n ", ""),
    ],
)
def test_html_becomes_what_it_says(html, text):
    assert from_html(html) == text


def test_long_html_is_rendered_too_and_not_kept():
    assert from_html("<p>" + "x" * 30_000 + "</p>") == "x" * 30_000


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hi {{name}}!</p>", "Hi {{name}}!"),
        ('<p title="{{a}}" {{#if b}}id="x"{{/if}}>{{c}}</p>', "{{c}}"),
        ("<style>{{#if a}}p{}{{/if}}</style><p>{{! no }}{{b}}</p>", "{{b}}"),
        ("<table>{{#each x}}<tr><td>{{y}}</td></tr>{{/each}}</table>", "{{#each x}}\n{{y}}\n{{/each}}"),
        (
            "<table><tr><td>a</td>{{#if b}}<td>{{c}}</td>{{/if}}</tr></table>",
            "a  {{#if b}}  {{c}}  {{/if}}",
        ),
        (
            "<table><tr><td><table><tr><td>{{a}}</td></tr></table>{{#if b}}<p>c</p>{{/if}}</td></tr></table>",
            "{{a}}\n\n{{#if b}}\n\nc\n\n{{/if}}",
        ),
        ('<p>{{default a "<b>"}} &lt;i&gt;</p>', '{{default a "<b>"}} <i>'),
    ],
)
def test_expressions_stay_where_they_stand(html, text):
    found = "\n".join(line.rstrip() for line in from_template(html).splitlines())
    assert found == text
