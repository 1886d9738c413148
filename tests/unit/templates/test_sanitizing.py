"""What an operator is shown of a tenant's HTML cannot act."""

import pytest

from templates.sanitizing import sanitized

KEPT = (
    '<table class="a" style="color:red" bgcolor="#fff" width="100%">'
    '<tbody><tr><td align="center">x</td></tr></tbody></table>'
)


def test_what_mail_is_made_of_stays():
    assert sanitized(KEPT) == KEPT
    assert sanitized("<style>@media (max-width:1px){p{color:red}}</style><p>x</p>").startswith(
        "<style>@media (max"
    )
    assert 'href="https://a.example/?a=1&amp;b=2"' in sanitized(
        '<a href="https://a.example/?a=1&amp;b=2">x</a>'
    )
    assert 'src="data:image/png;base64,AA=="' in sanitized('<img src="data:image/png;base64,AA==" alt="y">')


@pytest.mark.parametrize(
    "evil",
    [
        "<script>evil()</script>",
        "<scr<script>ipt>evil()</script>",
        '<img src=x onerror="evil()">',
        '<a href="javascript:evil()">x</a>',
        '<a href=" jAva\nscript:evil()">x</a>',
        '<a href="data:text/html,<script>evil()</script>">x</a>',
        '<meta http-equiv="refresh" content="0;url=https://evil.example">',
        "<svg onload=evil()><script>evil()</script></svg>",
        '<base href="https://evil.example/">',
        '<form action="https://evil.example"><input name=evil><button>evil</button></form>',
        '<iframe srcdoc="<script>evil()</script>"></iframe>',
        '<object data="evil.swf"></object><embed src="evil.swf">',
        '<link rel="stylesheet" href="https://evil.example/a.css">',
        '<p style="width: expression(evil())">x</p>',
        '<p style="width: exp/**/ression(evil())">x</p>',
        '<p style="background: url(java\\73 cript:evil())">x</p>',
        "<style>@import url(https://evil.example/a.css); p { -moz-binding: url(evil) }</style>",
        "<style>p { behavior: url(evil.htc); width: \\65xpression(evil()) }</style>",
        "<math><mtext><style><img src=x onerror=evil()></style></mtext></math>",
        "<noscript><p title='</noscript><img src=x onerror=evil()>'></noscript>",
        "<template><script>evil()</script></template>",
        "<textarea><script>evil()</script></textarea>",
    ],
)
def test_nothing_that_acts_or_calls_is_left(evil):
    found = sanitized(f"<p>before</p>{evil}").lower()
    assert "<p>before</p>" in found
    for word in (
        "<script",
        "onerror",
        "onload",
        "javascript",
        "<meta",
        "<base",
        "<form",
        "<input",
        "<iframe",
    ):
        assert word not in found
    for word in ("<object", "<embed", "<link", "expression", "@import", "-moz-binding", "behavior:", "<svg"):
        assert word not in found
    assert "https://evil.example" not in found


@pytest.mark.parametrize("css", ["\\d800 expression(1)", "\\0 expression(1)", "\\ffffff expression(1)"])
def test_escapes_of_no_character_do_no_harm(css):
    sanitized(f"<style>{css}</style>").encode()
