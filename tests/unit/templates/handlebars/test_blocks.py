"""#if, #unless, #each, #with, their else, and the scopes they open."""

from typing import Any

import pytest

from templates.handlebars import HelperError, MissingVariable, TemplateSyntaxError, compile


def render(source: str, **data: Any) -> str:
    return compile(source, escape=True).render(data)


TRUE = ["a", 1, -1, 0.5, True, [0], {}, {"a": 1}, "0", " "]
FALSE = ["", 0, 0.0, -0.0, False, None, [], float("nan")]


@pytest.mark.parametrize("value", TRUE)
def test_what_is_true(value):
    assert render("{{#if x}}yes{{else}}no{{/if}}{{#unless x}}no{{else}}yes{{/unless}}", x=value) == "yesyes"
    assert render("{{#if x}}yes{{/if}}{{#unless x}}no{{/unless}}", x=value) == "yes"


@pytest.mark.parametrize("value", FALSE)
def test_what_is_false(value):
    assert render("{{#if x}}yes{{else}}no{{/if}}{{#unless x}}no{{else}}yes{{/unless}}", x=value) == "nono"
    assert render("{{#if x}}yes{{/if}}{{#unless x}}no{{/unless}}", x=value) == "no"


def test_a_missing_variable_is_false_in_tests():
    assert render("{{#if x}}a{{/if}}{{#unless x.y.z}}b{{/unless}}{{#if (eq x 1)}}c{{else}}d{{/if}}") == "bd"


@pytest.mark.parametrize(("x", "printed"), [(1, "one"), (2, "two"), (3, "three"), (4, "many")])
def test_a_chain_takes_the_first_branch_that_holds(x, printed):
    chain = "{{#if (eq x 1)}}one{{else if (eq x 2)}}two{{ else  unless (ne x 3)}}three{{else}}many{{/if}}"
    assert render(chain, x=x) == printed


def test_a_chain_without_else_may_write_nothing():
    assert render("{{#if a}}a{{else if b}}b{{/if}}", a=0, b=0) == ""


def test_other_blocks_may_go_on_a_chain():
    source = "{{#if a}}a{{else each l}}[{{this}}]{{else with o}}{{x}}{{else}}none{{/if}}"
    assert render(source, a=0, l=[1, 2], o={"x": "X"}) == "[1][2]"
    assert render(source, a=0, l=[], o={"x": "X"}) == "X"
    assert render(source, a=0, l=[], o=None) == "none"


def test_each_goes_through_a_list_and_knows_its_round():
    source = "{{#each l}}{{@index}}{{@key}}{{@first}}{{@last}}{{this}}{{.}};{{/each}}"
    assert render(source, l=["a", "b"]) == "00truefalseaa;11falsetruebb;"


def test_each_goes_through_an_object_in_its_order():
    source = "{{#each o}}{{@index}}{{@key}}={{this}}{{#unless @last}},{{/unless}}{{/each}}"
    assert render(source, o={"z": 1, "a": 2, "10": 3, "9": 4}) == "0z=1,1a=2,210=3,39=4"


@pytest.mark.parametrize("nothing", [[], {}, None, False, 0, ""])
def test_each_over_nothing_is_its_else(nothing):
    assert render("{{#each l}}x{{else}}none{{/each}}", l=nothing) == "none"


@pytest.mark.parametrize("value", ["text", 5, True])
def test_each_over_what_has_no_items_is_an_error(value):
    with pytest.raises(HelperError, match=r"#each goes through a list or an object \(line 1, column 2\)"):
        render(" {{#each l}}x{{/each}}", l=value)


@pytest.mark.parametrize("block", ["each", "with"])
def test_each_and_with_need_their_variable(block):
    with pytest.raises(MissingVariable):
        render(f"{{{{#{block} x}}}}{{{{else}}}}none{{{{/{block}}}}}")


@pytest.mark.parametrize("value", [0, 0.0, {}, "a", 5, {"a": 1}])
def test_with_something_renders(value):
    assert render("{{#with x}}some{{else}}none{{/with}}", x=value) == "some"


@pytest.mark.parametrize("value", [None, False, "", []])
def test_with_nothing_is_its_else(value):
    assert render("{{#with x}}some{{else}}none{{/with}}", x=value) == "none"


def test_each_and_with_open_a_scope_and_tests_do_not():
    source = (
        "{{#with o}}{{#if x}}{{#each l}}{{../x}}{{../../top}}{{@root.top}}{{/each}}{{/if}}{{../top}}{{/with}}"
    )
    assert render(source, top="T", o={"x": "X", "l": [1]}) == "XTTT"


def test_a_scope_that_equals_the_one_around_it_counts_all_the_same():
    assert (
        render("{{#each l}}{{#each ../l}}{{../this}}{{this}} {{/each}}{{/each}}", l=[1, 2]) == "11 12 21 22 "
    )
    assert render("{{#with o}}{{#with this}}{{../../t}}{{/with}}{{/with}}", t="T", o={"a": 1}) == "T"


def test_the_else_of_a_loop_is_outside_of_its_scope():
    assert render("{{#each l}}{{else}}{{x}}{{/each}}", l=[], x="X") == "X"


def test_loops_in_loops_know_each_other():
    cell = "{{@../index}}{{@index}}{{@../last}} "
    source = f"{{{{#each rows}}}}{{{{#with this}}}}{{{{#each cells}}}}{cell}{{{{/each}}}}{{{{/with}}}}{{{{/each}}}}"
    assert render(source, rows=[{"cells": [1, 2]}, {"cells": [3]}]) == "00false 01false 10true "


def test_the_round_is_known_after_an_inner_loop():
    assert render(
        "{{#each a}}{{#each this}}{{@index}}{{/each}}{{@index}}{{@key}};{{/each}}", a=[[1, 2], []]
    ) == ("0100;11;")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{../x}}", "../x leads out of the data"),
        ("{{#with a}}{{../../x}}{{/with}}", "../../x leads out of the data"),
        ("{{@index}}", "@index stands outside of an #each"),
        ("{{#with a}}{{@key}}{{/with}}", "@key stands outside of an #each"),
        ("{{#each a}}{{@../first}}{{/each}}", "@../first stands outside of an #each"),
        ("{{@other}}", "@other is not known; there are @root, @index, @key, @first and @last"),
        ("{{#each a}}{{@index.x}}{{/each}}", "@index.x is not known"),
        ("{{#each a}}{{@../root.x}}{{/each}}", "@../root.x is not known"),
    ],
)
def test_paths_that_lead_nowhere_are_found_when_compiling(source, message):
    with pytest.raises(TemplateSyntaxError) as error:
        compile(source, escape=True)
    assert error.value.message.startswith(message)
