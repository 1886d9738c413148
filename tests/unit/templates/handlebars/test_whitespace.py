"""`~`, and tags that stand alone on a line. Generated cases are compared with handlebars.js in tests/contracts."""

import pytest

from templates.handlebars import compile

DATA = {"t": True, "f": False, "l": [1, 2], "x": "X"}


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ("a  {{~x}}  b", "aX  b"),
        ("a  {{x~}}  b", "a  Xb"),
        ("a \n\t {{~{x}~}} \n b", "aXb"),
        ("a {{~&x~}} b", "aXb"),
        ("a {{~! c ~}} b {{~!-- c --~}} d", "abd"),
        ("{{#if t~}} a {{~/if}} b", "a b"),
        ("{{#if t}} a {{~else~}} b {{/if}}", " a"),
        ("{{#if f}} a {{~else~}} b {{/if}}", "b "),
        (" {{~#if t~}} a {{~/if~}} ", "a"),
        ("a\u00a0\ufeff{{~x~}}\u2003\u2028b", "aXb"),
    ],
)
def test_a_tilde_takes_all_whitespace_on_its_side(source, printed):
    assert compile(source, escape=True).render(DATA) == printed


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ("a\n{{#if t}}\nb\n{{/if}}\nc\n", "a\nb\nc\n"),
        ("a\r\n  {{#if t}}  \r\nb\r\n\t{{/if}}\r\nc", "a\r\nb\r\nc"),
        ("{{#if t}}\nb\n{{else}}\nc\n{{/if}}", "b\n"),
        ("{{#if f}}\nb\n{{else}}\nc\n{{/if}}", "c\n"),
        ("{{#each l}}\n- {{this}}\n{{/each}}\n", "- 1\n- 2\n"),
        ("a\n  {{! note }}  \nb", "a\nb"),
        ("{{!-- note --}}\nb", "b"),
        ("a\n{{x}}\nb", "a\nX\nb"),
        ("a {{#if t}}\nb\n{{/if}} c", "a \nb\n c"),
        ("{{#if t}}\n{{#if t}}\na\n{{/if}}\n{{/if}}\nb", "a\nb"),
        ("{{#if t}}{{/if}}\nb", "\nb"),
        ("  {{! a }} {{! b }}\nc", "   \nc"),
    ],
)
def test_a_line_of_one_tag_leaves_no_line(source, printed):
    assert compile(source, escape=True).render(DATA) == printed


def test_the_end_of_a_chain_keeps_its_indentation_as_in_handlebars():
    source = "{{#if f}}\na\n{{else if t}}\nb\n  {{/if}}\nc"
    assert compile(source, escape=True).render(DATA) == "b\n  c"


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        ("{{#if f}}a{{else if f}}b{{else}} c {{~/if}}|", " c|"),
        ("{{#if f}}a{{else if t}} b {{else}}c{{~/if}}|", " b|"),
        ("{{#if f}}a{{else if f}}b{{else if f}}c{{else}} d {{~/if}}|", " d |"),
        ("{{#if f}}a{{else if f}}b{{~else if f}}c{{else}} d {{/if}}|", " d|"),
    ],
)
def test_the_tilde_at_the_end_of_a_chain_takes_what_handlebars_takes(source, printed):
    assert compile(source, escape=True).render(DATA) == printed
