"""What receivers and filters would mind."""

import pytest

from templates.linting import lint

GOOD = '<p><a href="https://a.example">x</a><img src="https://a.example/p.png" alt=""></p>'


def codes(html=GOOD, text="x", tags=None, source=None, **more):
    return [one.code for one in lint(source=source or html, html=html, text=text, tags=tags or {}, **more)]


def test_a_good_template_has_no_warnings():
    assert codes() == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"text": None}, "no_text_part"),
        ({"html": GOOD + "x" * 104_500}, "html_clipped"),
        ({"html": '<a href="http://a.example">x</a>'}, "insecure_links"),
        ({"html": "<a class=b href = HTTP://a.example>x</a>"}, "insecure_links"),
        ({"html": "<div><p>x</div></p></b>"}, "unbalanced_tags"),
        ({"html": "<img src='https://a.example/p.png'>"}, "no_alt_text"),
        ({"html": "<IMG class='alt' src={{x}}>"}, "no_alt_text"),
        ({"tags": {"category": "Marketing"}}, "no_unsubscribe_link"),
        ({"tags": {"newsletter": "weekly"}}, "no_unsubscribe_link"),
    ],
)
def test_each_fault_has_its_code(given, code):
    assert codes(**given) == [code]


@pytest.mark.parametrize(
    "html",
    [
        "<a href='{{url}}'>http://in.text</a>",
        '<p title="see http://a.example">x</p>',
        '<img src="x" alt="{{default a "b"}}">',
        "<img src=x alt>",
        "<html xmlns='http://www.w3.org/1999/xhtml'></html>",
        "<!-- <img src=http://a.example> -->",
    ],
)
def test_what_is_right_is_not_blamed(html):
    assert codes(html=html) == []


@pytest.mark.parametrize(
    "html", ['<a href="{{unsubscribe_url}}">x</a>', "<a href=https://a.example/Unsubscribe>x</a>"]
)
def test_marketing_with_a_way_out_is_fine(html):
    assert codes(html=html, tags={"marketing": ""}) == []


def test_mjml_is_not_judged_by_the_rules_of_html():
    assert codes(source="<mj-text/></p>", check_balance=False) == []


def test_a_warning_says_how_many_and_where():
    found = lint(source="<p>\n</b>", html="<img src=http://a><img src=b>", text="x", tags={})
    assert [one.message for one in found] == [
        "Tags do not fit together: </b> closes nothing that is open (line 2).",
        "Addresses without TLS (http://): 1.",
        "Pictures without alternative text (alt): 2.",
    ]
