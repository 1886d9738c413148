"""Links of a mail led through us: those a reader can follow, and not a byte more."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails.tracking.rewrite import MAX_LINKS, outline

TO_US = "https://mail.example.com/t/c/token"
PIXEL = "https://mail.example.com/t/o/token"


def targets(html: str) -> list[str]:
    return [meant for _, meant in outline(html).targets]


def rewritten(html: str) -> str:
    return outline(html).copy(click=lambda target: TO_US, pixel=None)


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<a href="https://a.test/">x</a>', "https://a.test/"),
        ("<A HREF='https://a.test/'>x</A>", "https://a.test/"),
        ("<a\n class=b href = https://a.test/x?y=1>x</a>", "https://a.test/x?y=1"),
        ('<a title="x > y" href="https://a.test/">', "https://a.test/"),
        ('<a href="  https://a.test/\n\tb ">', "https://a.test/b"),
        ('<area shape=rect href="http://a.test/"/>', "http://a.test/"),
        ("<p don't>it's <a href=\"https://a.test/\">", "https://a.test/"),
        ('<a/href="https://a.test/"/>', "https://a.test/"),
        ('<a class="b"href="https://a.test/">', "https://a.test/"),
        ('<!--[if mso]><v:roundrect href="https://a.test/" arcsize="9%"><![endif]-->', "https://a.test/"),
        ('<!--[if !mso]><!--><a href="https://a.test/"><!--<![endif]-->', "https://a.test/"),
        ('<!-- x --!><a href="https://a.test/">', "https://a.test/"),
        ('<!--><a href="https://a.test/">-->', "https://a.test/"),
        ('<style>a > b {}</style ><a href="https://a.test/">', "https://a.test/"),
        ('<a href="https://a.test/" href="https://b.test/">', "https://a.test/"),
        ('a < b <3 <a href="https://a.test/">', "https://a.test/"),
        ('</x y=">"><a href="https://a.test/">', "https://a.test/"),
    ],
)
def test_a_link_is_found(html: str, found: str) -> None:
    assert targets(html) == [found]


@pytest.mark.parametrize(
    "html",
    [
        '<a href="mailto:a@example.com">',
        '<a href="tel:+49301234">',
        '<a href="#top">',
        '<a href="/relative">',
        '<a href="//host.test/">',
        '<a href="">',
        "<a href>",
        '<a name="https://a.test/">',
        '<a data-href="https://a.test/">',
        '<a data-mg-track="off" href="https://a.test/">',
        '<a href="https://a.test/" DATA-MG-TRACK=OFF>',
        '<a href href="https://a.test/">',
        '<abbr href="https://a.test/">',
        '<link href="https://a.test/style.css">',
        '<img src="https://a.test/i.png" alt="<a href=\'https://b.test/\'>">',
        '<!-- <a href="https://a.test/"> -->',
        "<script>\"<a href='https://a.test/'>\"</script>",
        '<title><a href="https://a.test/"></title>',
        '<textarea><a href="https://a.test/"></textarea>',
        '<STYLE/>x<a href="https://a.test/">',
        '<a href="https://a.test/"',
        '<a href="https://a.test/>',
        '<x y=\'><a href="https://a.test/">',
        '<plaintext><a href="https://a.test/">',
        "https://a.test/",
        "",
    ],
)
def test_what_is_no_link_or_is_not_ours_to_lead_stays(html: str) -> None:
    assert targets(html) == []
    assert rewritten(html) == html


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://a.test/?x=1&amp;y=2", "https://a.test/?x=1&y=2"),
        ("https://a.test/?x=1&y=2", "https://a.test/?x=1&y=2"),
        ("https://a.test/?a=1&copy=2&reg=3&lt=4", "https://a.test/?a=1&copy=2&reg=3&lt=4"),
        ("https://a.test/?a=1&copy2=3&notit;", "https://a.test/?a=1&copy2=3&notit;"),
        ("https://a.test/&copy/&eacute;", "https://a.test/©/é"),
        ("https://a.test/?a&#61;1&#x26;b", "https://a.test/?a=1&b"),
        ("https&colon;//a.test/", "https://a.test/"),
    ],
)
def test_character_references_are_read_as_in_a_browser(written: str, meant: str) -> None:
    assert targets(f'<a href="{written}">') == [meant]


def test_only_the_target_is_replaced() -> None:
    html = """<body><a class=x href="https://a.test/?b=1&amp;c=2" title='"'>x</a>\n<A href=https://b.test/>y</A></body>"""
    assert rewritten(html) == (
        f"""<body><a class=x href="{TO_US}" title='"'>x</a>\n<A href={TO_US}>y</A></body>"""
    )


def test_a_target_that_is_to_stay_stays_as_it_was_written() -> None:
    html = '<a href=" https://a.test/?b=1&amp;c=2 ">x</a><a href="https://b.test/">'
    led = outline(html).copy(click=lambda target: TO_US if "b.test" in target else None, pixel=None)
    assert led == f'<a href=" https://a.test/?b=1&amp;c=2 ">x</a><a href="{TO_US}">'


def test_links_behind_the_last_that_is_counted_stay() -> None:
    html = '<a href="https://a.test/">x</a>' * (MAX_LINKS + 1)
    assert rewritten(html).count(TO_US) == MAX_LINKS
    assert rewritten(html).endswith('<a href="https://a.test/">x</a>')


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<html><body><p>x</p>", "</body></html>"),
        ("<body>x", "</BODY >"),
        ("<body><!-- </body> -->x", "</body>"),
        ("<body>1</body><body>2", "</body>"),
        ('<body><a href="https://a.test/">x</a>', "</body>"),
        ("<p>x</p>", ""),
        ("", ""),
        ("<p>x</p>", "<!-- never closed"),
        ("<p>x</p>", "<style>p {}"),
        ("<p>x</p>", '<a href="https://a.test/'),
    ],
)
def test_the_pixel_goes_where_it_is_seen(before: str, after: str) -> None:
    copy = outline(before + after).copy(click=None, pixel=PIXEL)
    assert copy.startswith(before + f'<img src="{PIXEL}" ')
    assert copy.endswith(">" + after)


@given(st.text(alphabet="<>/!-=\"' \nabehrf&;:#x[]iopst.", max_size=200))
def test_nothing_changes_where_nothing_is_replaced(html: str) -> None:
    assert outline(html).copy(click=None, pixel=None) == html
    assert outline(html).copy(click=lambda target: None, pixel=None) == html


class _Links(HTMLParser):
    """The standard library's reader, for HTML that is well formed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and (href := dict(attrs).get("href")):
            self.found.append(href)


QUERY = st.text(alphabet="abc=&?/.-_~%20", max_size=20)


@given(
    st.lists(st.tuples(QUERY, st.sampled_from(['<p class="x">', "<br/>", "<td style='a:b'>", "text", ""])))
)
def test_every_link_of_a_mail_leads_through_us_and_back(parts: list[tuple[str, str]]) -> None:
    wanted = [f"https://a.test/{rest}" for rest, _ in parts]
    html = "".join(
        f'{around}<a style="color: red" href="{target.replace("&", "&amp;")}">x</a>'
        for target, (_, around) in zip(wanted, parts, strict=True)
    )
    seen: list[str] = []
    copy = outline(html).copy(click=lambda t: seen.append(t) or f"{TO_US}{len(seen)}", pixel=PIXEL)
    assert seen == wanted
    assert _Links(copy).found == [f"{TO_US}{place}" for place in range(1, len(wanted) + 1)]


HOSTILE = [
    *(
        "<a ",
        '<a b="',
        "<a b='",
        "<!--",
        "<!-",
        "<style>",
        "<style",
        "<title a='>",
        "<",
        "</",
        "</body",
        "<!",
    ),
    *(
        "<a href=http://a>",
        "<a x y z",
        "<a =",
        "<a x=\"<b y='",
        "<a href='http://a?&amp&#",
        "&amp",
        '<a href="\t',
    ),
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_html_is_read_in_linear_time(unit: str) -> None:
    """A megabyte: whoever reads one character twice for each before it is still at it tomorrow."""
    html = unit * (1_000_000 // len(unit))
    assert outline(html).copy(click=None, pixel=None) == html


@pytest.mark.parametrize(
    "html",
    [
        "<a href='http://a?" + "&a" * 500_000 + "'>",
        "<a href='http://" + "a." * 500_000 + "'>",
        "<a " + "x " * 500_000 + ">",
        "<a x" + " " * 1_000_000,
        "<a href" + " " * 1_000_000 + "=http://a.test/>",
    ],
)
def test_a_hostile_tag_is_read_in_linear_time(html: str) -> None:
    assert outline(html).copy(click=None, pixel=None) == html
