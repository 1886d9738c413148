"""Once per version: MJML compiled, sheets inlined, text derived."""

import pytest

from templates.errors import TemplateRenderError
from templates.formats import Format
from templates.handlebars import compile
from templates.preparing import from_mjml, prepare

MJML = """<mjml>
  <mj-head><mj-title>{{title}}</mj-title><mj-style>.a { color: {{brand}} }</mj-style></mj-head>
  <mj-body background-color="{{paper}}">
    <mj-section>
      {{#if shown}}
      <mj-column>
        {{#each items}}
        <mj-text css-class="a">{{name}} &amp; <b style="color: {{c}}">{{#if big}}big{{else}}small{{/if}}</b></mj-text>
        {{/each}}
        <mj-button href="https://a.example/?a=1&b={{token}}">Go</mj-button>
        <mj-table>{{#each rows}}<tr><td>{{@index}}</td></tr>{{/each}}</mj-table>
        <mj-image src="{{picture}}" alt="{{default alt "a > b"}}" width="100px"/>
      </mj-column>
      {{/if}}
    </mj-section>
  </mj-body>
</mjml>"""
DATA = {
    "title": "T",
    "brand": "red",
    "paper": "#eee",
    "shown": True,
    "items": [{"name": "Ada", "c": "blue", "big": True}, {"name": "Bob", "c": "teal", "big": False}],
    "token": "t&1",
    "rows": [1, 2, 3],
    "picture": "https://a.example/p.png",
    "alt": None,
}


def test_mjml_becomes_html_with_every_expression_in_its_place():
    html = from_mjml(MJML)
    said = compile(html, escape=True).render(DATA)
    assert said.count("Ada") == said.count("Bob") == 1
    assert said.index("Ada") < said.index("Bob")
    assert '<b style="color: blue">big</b>' in said
    assert '<b style="color: teal">small</b>' in said
    assert 'href="https://a.example/?a=1&b=t&amp;1"' in said
    assert "<td>0</td></tr><tr><td>1</td></tr><tr><td>2</td></tr>" in said
    assert 'alt="a &gt; b"' in said
    assert "background-color:#eee" in said
    assert "<title>T</title>" in said
    hidden = compile(html, escape=True).render({**DATA, "shown": False})
    assert "Ada" not in hidden
    assert "https://a.example" not in hidden


def test_the_sheet_of_mjml_is_inlined():
    prepared = prepare(format=Format.MJML, html=MJML, text=None)
    assert prepared.warnings == ()
    said = compile(prepared.html, escape=True).render(DATA)
    assert said.count("color: red") == 3  # the sheet, and both rows


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("<p>x</p>", "html, line 1, column 1: MJML: unexpected token."),
        ("", "html: MJML: unable to find mjml element."),
        (
            "<mjml>\n<mj-body>\n<mj-text>a<p></mj-text></mj-body></mjml>",
            "html: This is not MJML: </mj-text> closes nothing that is open (line 3).",
        ),
        (
            '<mjml><mj-body>{{x}}\n <mj-include path="/etc/passwd"/></mj-body></mjml>',
            "html, line 2, column 3: MJML: unable to load included template.",
        ),
        (
            "<mjml><mj-body><mj-section {{#if a}}css-class='x'{{/if}}></mj-section></mj-body></mjml>",
            "html: An expression stands where MJML drops or repeats it: put it into text or an attribute's value.",
        ),
        ("<mjml><mj-body>" + "<mj-wrapper>" * 20_000 + "</mj-wrapper>" * 20_000, "html: This is not MJML:"),
        ("<mjml>" + " " * 600_000 + "</mjml>", "html: MJML may have at most 524,288 characters."),
    ],
    ids=["html", "nothing", "unbalanced", "include", "loose expression", "deep", "long"],
)
def test_what_is_no_mjml_is_refused_with_its_place(source, message):
    with pytest.raises(TemplateRenderError) as caught:
        from_mjml(source)
    assert caught.value.message.startswith(message)
    assert (caught.value.part, caught.value.code) == ("html", "invalid_syntax")


def test_text_is_derived_with_blocks_around_its_lines():
    html = (
        "<style>td{margin:0}</style><h1>Hi {{name}}</h1>"
        '<table>{{#each items}}<tr><td>{{what}}</td><td>{{price}}</td></tr>{{/each}}</table><p class="{{c}}">Bye</p>'
    )
    prepared = prepare(format=Format.HTML, html=html, text=None)
    assert "style=" in prepared.html
    said = compile(prepared.text, escape=False).render(
        {"name": "Ann", "items": [{"what": "Tea", "price": "3 < 4"}, {"what": "Bun", "price": 2}]}
    )
    assert [line.split() for line in said.splitlines() if line.strip()] == [
        ["Hi", "Ann"],
        ["Tea", "3", "<", "4"],
        ["Bun", "2"],
        ["Bye"],
    ]


def test_an_empty_text_stays_away_and_a_written_one_stays_as_it_is():
    assert prepare(format=Format.HTML, html="<p>x</p>", text="").text is None
    assert prepare(format=Format.HTML, html="<p>x</p>", text="{{y}} ").text == "{{y}} "
    assert prepare(format=Format.HTML, html="<img src=x>", text=None).text is None


def test_a_template_of_text_has_no_html():
    assert prepare(format=Format.TEXT, html=None, text="Hi {{x}}").html is None


def test_what_cannot_be_derived_or_inlined_is_told():
    html = "<style>p{margin:0}</style><p>a</b></p><title>{{#if x}}</title>y{{/if}}"
    prepared = prepare(format=Format.HTML, html=html, text=None)
    assert [one.code for one in prepared.warnings] == ["css_not_inlined", "text_not_derived"]
    assert (prepared.html, prepared.text) == (html, None)


def test_html_that_is_too_long_is_sent_as_it_is():
    html = "<style>p{margin:0}</style><p>" + "x" * 600_000
    prepared = prepare(format=Format.HTML, html=html, text=None)
    assert (prepared.html, prepared.text) == (html, None)
    assert [one.code for one in prepared.warnings] == ["css_not_inlined", "text_not_derived"]
