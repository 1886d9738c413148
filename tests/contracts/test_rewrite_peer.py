"""The links that we find are those that a real browser finds, in whatever HTML."""

import random

import pytest

from emails.tracking.rewrite import outline
from tests.webpage import webpage

# Pieces that go together in every way, right or wrong. Without conditional comments, in which browsers see nothing and
# Outlook does; and without SVG and MathML, where `style` is an element like any other.
PIECES = [
    *(
        '<a href="{}">',
        "<a href='{}'>",
        "<a href={}>",
        "<A\nHREF = {} >",
        '<a title=">" href="{}"/>',
        "<a href=",
        "<a ",
    ),
    *(
        '<area href="{}">',
        "<map name=m>",
        "</map>",
        '<a href="{}" ',
        "<a id='",
        '<a data-x="',
        "'",
        '"',
        ">",
        "</a>",
    ),
    *(
        "<!--",
        "-->",
        "--!>",
        "<!-->",
        "<!->",
        "<!",
        "<?x",
        "</",
        "</ x>",
        "<style>",
        "</style>",
        "<style ",
        "</styles>",
    ),
    *(
        "<title>",
        "</title>",
        "<textarea>",
        "</textarea x>",
        "<script>",
        "</script>",
        "<xmp>",
        "</xmp>",
        "</body>",
    ),
    *(
        "<p don't>",
        "<p>",
        "</p>",
        "<td class=x>",
        "<b/>",
        "<x=y>",
        "<p =a='>'>",
        " ",
        "\n",
        "text",
        "a<b",
        "<3",
        "=",
        "/",
    ),
]
READ = """documents => documents.map(html => {
  const found = new DOMParser().parseFromString(html, "text/html").querySelectorAll("a[href], area[href]");
  return Array.from(found, element => element.getAttribute("href"));
})"""


def written(seed: int) -> str:
    dice = random.Random(seed)
    pieces = dice.choices(PIECES, k=dice.randint(2, 12))
    return "".join(piece.format(f"https://a.test/{place}") for place, piece in enumerate(pieces))


@pytest.fixture(scope="module")
def found_by_browser() -> dict[str, set[str]]:
    documents = [written(seed) for seed in range(4_000)]
    with webpage() as page:
        found = page.evaluate(READ, documents)
    return dict(zip(documents, map(set, found), strict=True))


def test_a_browser_finds_the_same_links(found_by_browser: dict[str, set[str]]) -> None:
    ours = {html: {meant for _, meant in outline(html).targets} for html in found_by_browser}
    absolute = {
        html: {href.strip() for href in found if href.strip().startswith("https://a.test/")}
        for html, found in found_by_browser.items()
    }
    assert sum(map(len, ours.values())) > 1_500
    assert {html: ours[html] for html in ours if ours[html] != absolute[html]} == {}
