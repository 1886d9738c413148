"""Every mistake is told with its line and column, counted from 1."""

import pytest

from templates.handlebars import TemplateSyntaxError, compile


@pytest.mark.parametrize(
    ("source", "line", "column", "message"),
    [
        ("a\nb {{x", 2, 3, "the tag is not closed"),
        ("{{", 1, 1, "the tag is not closed"),
        ("{{ \n", 1, 1, "the tag is not closed"),
        ("{{}}", 1, 1, "a variable or a helper is missing"),
        ("é{{!-- x }}", 1, 2, "the comment is not closed"),
        ("{{! x }", 1, 1, "the comment is not closed"),
        ("{{uppercase 'x}}", 1, 13, "the string is not closed"),
        ("{{x\n  %}}", 2, 3, "'%' cannot stand here"),
        ("{{x}}}", 1, 1, "put a space before a } that follows a tag"),
        ("{{{x}}}}", 1, 1, "put a space before a } that follows a tag"),
        ("{{{x}}", 1, 1, "{{{ is closed by }}}"),
        ("{{{x~}}}", 1, 1, "{{{ is closed by }}}"),
        ("{{{{raw}}}}", 1, 1, "raw blocks ({{{{) are not part of the language"),
        ("{{> other}}", 1, 1, "partials are not part of the language"),
        ("{{#> other}}{{/other}}", 1, 1, "partials are not part of the language"),
        ("{{* x}}", 1, 1, "decorators are not part of the language"),
        ("{{#* x}}", 1, 1, "decorators are not part of the language"),
        ("{{^}}", 1, 1, "write {{else}} or {{#unless}} instead of ^"),
        ("{{^x}}{{/x}}", 1, 1, "write {{else}} or {{#unless}} instead of ^"),
        ("{{#if x}}", 1, 1, "#if is not closed"),
        ("{{#if x}}\n{{#each y}}{{/if}}", 2, 12, "/if stands where #each of line 2 must be closed"),
        ("{{/if}}", 1, 1, "/if closes nothing"),
        ("{{else}}", 1, 1, "else stands outside of a block"),
        ("{{#if x}}{{else}}{{else}}{{/if}}", 1, 18, "nothing but the end of the block can follow its else"),
        (
            "{{#if x}}{{else}}{{else if y}}{{/if}}",
            1,
            18,
            "nothing but the end of the block can follow its else",
        ),
        ("{{#if}}{{/if}}", 1, 1, "#if needs something to look at"),
        ("{{#if a b}}{{/if}}", 1, 9, "#if takes one argument"),
        ("{{#each a as |x|}}{{/each}}", 1, 1, "names for items (as |x|) are not part of the language"),
        ("{{#other x}}{{/other}}", 1, 1, "there is no block other"),
        ("{{#}}{{/if}}", 1, 1, "there is no block without a name"),
        ("{{if x}}", 1, 3, "if is a block: write {{#if …}}"),
        ("{{each}}", 1, 3, "each is a block: write {{#each …}}"),
        ("{{other x}}", 1, 3, "there is no helper other"),
        ("{{a.b x}}", 1, 3, "there is no helper a.b"),
        ("{{uppercase (other x)}}", 1, 14, "there is no helper other"),
        ("{{uppercase ('a' x)}}", 1, 14, "a literal is no helper"),
        ("{{'text'}}", 1, 3, "a literal is no variable; it can only be an argument"),
        ("{{5}}", 1, 3, "a literal is no variable; it can only be an argument"),
        ("{{true}}", 1, 3, "a literal is no variable; it can only be an argument"),
        ("{{(uppercase x)}}", 1, 3, "a tag begins with a variable or a helper"),
        ("{{uppercase (lowercase x}}", 1, 1, "a closing parenthesis is missing"),
        ("{{uppercase x)}}", 1, 14, "this parenthesis closes nothing"),
        ("{{uppercase =}}", 1, 13, "'=' cannot stand here"),
        ("{{uppercase undefined}}", 1, 13, "undefined is not part of the language; write null"),
        ("{{uppercase a b}}", 1, 3, "uppercase takes at most 1 argument"),
        ("{{eq a}}", 1, 3, "eq needs 2 arguments"),
        ("{{date format='y'}}", 1, 3, "date needs 1 argument"),
        ("{{date x other='y'}}", 1, 3, "date has no argument with the name other"),
        ("{{date x value='y'}}", 1, 3, "date has no argument with the name value"),
        ("{{date x 'y' format='y'}}", 1, 3, "format is given twice"),
        ("{{date x format='y' format='y'}}", 1, 21, "an argument's name stands before =, and once only"),
        ("{{date x format='y' 'UTC'}}", 1, 21, "arguments with names come last"),
        ("{{date x 'YYYY'}}", 1, 3, "date: Y has no meaning in a pattern: write y for the year"),
        ("{{a.this}}", 1, 3, "this can only begin a path"),
        ("{{a/../b}}", 1, 3, ".. can only begin a path"),
    ],
)
def test_a_mistake_is_told_with_its_place(source, line, column, message):
    with pytest.raises(TemplateSyntaxError) as error:
        compile(source, escape=True)
    assert (error.value.line, error.value.column, error.value.message) == (line, column, message)


def test_lines_are_counted_through_every_kind_of_tag():
    source = "a\n{{! two\nlines }}{{x}}\n\n{{#if\ny}}\n{{'"
    with pytest.raises(TemplateSyntaxError) as error:
        compile(source, escape=True)
    assert (error.value.line, error.value.column) == (7, 3)
