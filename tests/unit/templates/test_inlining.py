"""Style sheets become attributes, and every expression stays where it stands."""

import http.server
import threading
from html.parser import HTMLParser

import nh3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from templates.handlebars import compile
from templates.inlining import inlined

SHEET = "<style>.a { color: red; padding: 1px } td { margin: 0 }</style>"
A = "color: red;padding: 1px"


def body(html: str) -> str:
    """The HTML after the sheet, inlined; the sheet itself must stay."""
    found = inlined(SHEET + html)
    assert found.left is None, found.left
    assert found.html.startswith(SHEET)
    return found.html.removeprefix(SHEET)


def test_rules_are_copied_and_sheets_stay():
    assert body('<p class="a">x</p>') == f'<p class="a" style="{A};">x</p>'


def test_html_without_a_sheet_is_left_byte_for_byte():
    html = "<P>odd <b>html{{#each x}}<tr>{{/each}}"
    assert inlined(html).html == html


def test_a_block_around_rows_stays_around_rows():
    html = '<table>{{#each items}}<tr><td class="a">{{name}}</td></tr>{{/each}}</table>'
    assert body(html) == (
        f'<table>{{{{#each items}}}}<tr><td class="a" style="margin: 0;{A};">{{{{name}}}}</td></tr>'
        "{{/each}}</table>"
    )


def test_blocks_around_table_parts_that_are_written_out_keep_them():
    html = (
        "<table>{{#if h}}<thead><tr><th>h</th></tr></thead>{{/if}}"
        "{{#each rows}}<tbody><tr><td>{{x}}</td></tr></tbody>{{else}}<tbody></tbody>{{/each}}</table>"
    )
    assert body(html) == html.replace("<td>", '<td style="margin: 0;">')


def test_expressions_in_attributes_survive():
    html = '<a class="a" href="{{url}}?a=1&amp;b={{default b "x y"}}">a &gt; b</a>'
    assert body(html) == html.replace('">a', f'" style="{A};">a')


def test_blocks_in_a_style_attribute_survive_behind_what_the_sheet_says():
    html = '<td class="a" style="width: {{w}}px;{{#if big}}font-size: 20px{{/if}}">x</td>'
    assert body(f"<table><tr>{html}</tr></table>") == (
        f'<table><tr><td class="a" style="margin: 0;{A};width: {{{{w}}}}px;{{{{#if big}}}}font-size: 20px{{{{/if}}}}">x'
        "</td></tr></table>"
    )


def test_a_style_attribute_in_single_quotes_keeps_its_double_ones():
    html = """<p class="a" style='font-family: "A B"; {{x}}'>x</p>"""
    assert body(html) == f"""<p class="a" style='{A};font-family: "A B"; {{{{x}}}}'>x</p>"""


def test_blocks_loose_in_a_tag_survive_with_what_they_hold():
    html = '<p {{#if a}}class="x" id="{{id}}"{{else}}class="y"{{/if}} lang="en">x</p>'
    assert body(html) == html


def test_an_expression_of_a_sheet_looks_from_the_root_inside_of_loops():
    html = "<style>.a { color: {{brand}} }</style>{{#each x}}<p class=a>{{t}}</p>{{/each}}"
    made = inlined(html).html
    assert '<p class="a" style="color: {{@root.brand}};">' in made
    assert (
        compile(made, escape=True).render({"brand": "red", "x": [{"t": 1}]}).count('style="color: red;"') == 1
    )


@pytest.mark.parametrize("sheet", [".a{ {{#if x}}color:red{{/if}} }", ".a { color: {{default x 'red'}} }"])
def test_a_sheet_with_blocks_or_helpers_is_left_alone(sheet):
    html = f"<style>p{{margin:0}}</style><style>{sheet}</style><p class='a'>x</p>"
    assert inlined(html).html == (
        f'<style>p{{margin:0}}</style><style>{sheet}</style><p class="a" style="margin: 0;">x</p>'
    )


def test_comments_for_outlook_survive():
    html = '<!--[if mso]><td class="a">{{x}}</td><![endif]--><p class="a">y</p>'
    assert body(html).startswith('<!--[if mso]><td class="a">{{x}}</td><![endif]-->')


def test_a_whole_page_keeps_its_head():
    html = (
        f'<!doctype html><html lang="{{{{l}}}}"><head><title>{{{{t}}}} &amp; x</title>{SHEET}</head>'
        "<body>{{#if a}}<p class=a>x</p>{{/if}}</body></html>"
    )
    made = inlined(html).html
    assert '<html lang="{{l}}"><head><title>{{t}} &amp; x</title>' in made
    assert made.endswith(f'<body>{{{{#if a}}}}<p class="a" style="{A};">x</p>{{{{/if}}}}</body></html>')


@pytest.mark.parametrize(
    "html",
    [
        "{{#if a}}<td class=a>{{else}}<td>{{/if}}x</td>",
        "<table><tr>{{#if a}}<div>x</div>{{/if}}</tr></table>",
        "<p class=a>x</b></p>",
        "<p title='x>",
    ],
)
def test_what_a_parser_would_move_is_left_as_it_is_and_told(html):
    found = inlined(SHEET + html)
    assert found.html == SHEET + html
    assert found.left


@pytest.mark.parametrize(
    "html",
    [
        "<p>" + "x" * 524_288 + "</p>",
        "<div>" * 1_000 + "</div>" * 1_000,
        "<style>" + "".join(f".c{n}{{color:red}}" for n in range(5_000)) + "</style>" + "<p>x</p>" * 20_000,
        "<style>:nth-child(2n){color:red}</style>" + "<p>x</p>" * 20_000,
        "".join(f"<b a{n}>" for n in range(2_000)) + "<p>" * 2_000,
    ],
    ids=["too long", "too deep", "too many rules", "too many neighbours", "formatting left open"],
)
def test_what_would_cost_too_much_is_left_as_it_is(html):
    assert inlined(SHEET + html).left


def test_nothing_is_fetched_from_the_network_or_the_disk(tmp_path):
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    (tmp_path / "sheet.css").write_text("p { color: green }")
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        html = (
            f'<link rel="stylesheet" href="{address}/a.css"><link rel="stylesheet" href="file://{tmp_path}/sheet.css">'
            f"<style>@import url({address}/b.css); .a{{color:red}}</style><p class=a>x</p>"
        )
        made = inlined(html).html
        server.shutdown()
        thread.join()
    assert asked == []
    assert '<p class="a" style="color: red;">' in made
    assert "green" not in made


LEAVES = st.sampled_from(
    ["x", "{{a}}", "{{{b}}}", '<a href="{{u}}" class="a">l</a>', '<td class="a">{{a}}</td>', "<br>"]
)
ELEMENTS = ('<div class="a">{}</div>', "<p>{}</p>", "<b>{}</b>", "<table><tr><td>{}</td></tr></table>")
BLOCKS = ("{{{{#if c}}}}{}{{{{/if}}}}", "{{{{#each @root.d}}}}{}{{{{else}}}}{}{{{{/each}}}}")


def _around(inner):
    frames = st.sampled_from([*ELEMENTS, *BLOCKS])
    return st.tuples(frames, inner, inner).map(
        lambda t: t[0].format(t[1], t[2]) if t[0].count("{}") > 1 else t[0].format(t[1])
    )


DATA = [
    {"a": "<1>", "b": "<i>2</i>", "u": "https://a.example/?x=1&y=2", "c": shown, "d": rounds}
    for shown in (True, False)
    for rounds in ([], [{}], [{}, {}])
]


class Read(HTMLParser):
    """What is said, tag by tag; a browser cares for no order of attributes."""

    def __init__(self):
        super().__init__()
        self.said = []

    def handle_starttag(self, tag, attrs):
        self.said.append((tag, sorted(attrs)))

    def handle_endtag(self, tag):
        self.said.append(f"/{tag}")

    def handle_data(self, data):
        self.said.append(data)


def as_a_browser_reads_it(html):
    """One form for all HTML that says the same, without what sheets add."""
    read = Read()
    read.feed(
        nh3.clean(
            html,
            tags=nh3.ALLOWED_TAGS | {"style"},
            clean_content_tags={"script"},
            attributes={"*": {"class", "href"}},
        )
    )
    return read.said


@settings(deadline=None)
@given(
    st.recursive(LEAVES, lambda inner: _around(inner) | st.tuples(inner, inner).map("".join), max_leaves=12)
)
def test_inlined_or_not_a_mail_says_the_same(html):
    found = inlined(SHEET + html)
    if found.left:
        assert found.html == SHEET + html
    before, after = compile(SHEET + html, escape=True), compile(found.html, escape=True)
    assert before.variables == after.variables
    for data in DATA:
        lookup = {**data, "d": [{**data, **one} for one in data["d"]]}
        assert as_a_browser_reads_it(after.render(lookup)) == as_a_browser_reads_it(before.render(lookup))
