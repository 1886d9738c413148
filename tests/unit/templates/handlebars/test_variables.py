"""Which variables a template uses."""

import pytest

from templates.handlebars import Variable, compile


def variables(source: str) -> list[tuple[str, bool, str | None]]:
    return [(found.name, found.required, found.kind) for found in compile(source, escape=True).variables]


def test_variables_come_in_the_order_of_their_first_use():
    assert compile("{{b}}{{#if a}}{{/if}}{{b}}", escape=True).variables == (
        Variable(name="b", required=True, kind="string"),
        Variable(name="a", required=False, kind=None),
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", []),
        ("{{x}}", [("x", True, "string")]),
        ("{{{x}}}", [("x", True, "string")]),
        ("{{x.y.z}}", [("x", True, "object")]),
        ("{{x.0.z}}", [("x", True, "list")]),
        ("{{x.length}}", [("x", True, "list")]),
        ("{{[first name]}}", [("first name", True, "string")]),
        ("{{@root.x}}", [("x", True, "string")]),
        ("{{this.x}}{{./y}}", [("x", True, "string"), ("y", True, "string")]),
        ("{{#each x}}{{y}}{{this}}{{@index}}{{/each}}", [("x", True, "list")]),
        ("{{#each x}}{{@key}}{{/each}}", [("x", True, "object")]),
        ("{{#each x}}{{#each y}}{{@../key}}{{/each}}{{/each}}", [("x", True, "object")]),
        ("{{#each x.y}}{{@key}}{{/each}}", [("x", True, "object")]),
        (
            "{{#each x}}{{../y}}{{@root.z.a}}{{/each}}",
            [("x", True, "list"), ("y", True, "string"), ("z", True, "object")],
        ),
        (
            "{{#each x}}{{#if a}}{{../y}}{{/if}}{{#with b}}{{../c}}{{../../d}}{{/with}}{{/each}}",
            [("x", True, "list"), ("y", True, "string"), ("d", True, "string")],
        ),
        ("{{#with x}}{{y}}{{/with}}", [("x", True, "object")]),
        (
            "{{#with this}}{{x}}{{/with}}{{#with @root}}{{y}}{{/with}}",
            [("x", True, "string"), ("y", True, "string")],
        ),
        ("{{#if x}}{{else}}{{y}}{{/if}}", [("x", False, None), ("y", True, "string")]),
        ("{{default x 'a'}}", [("x", False, "string")]),
        ("{{default x y}}", [("x", False, "string"), ("y", True, "string")]),
        ("{{or x y}}{{not z}}", [("x", False, "string"), ("y", False, "string"), ("z", False, "string")]),
        ("{{uppercase x}}", [("x", True, "string")]),
        ("{{lookup x y}}", [("x", True, None), ("y", True, "string")]),
        ("{{#if (eq x 'a')}}{{/if}}", [("x", False, "string")]),
        ("{{x}}{{#if x}}{{/if}}", [("x", True, "string")]),
        ("{{#if x}}{{/if}}{{x}}", [("x", True, "string")]),
        ("{{x}}{{x.y}}", [("x", True, "object")]),
        ("{{date}}{{uppercase default}}", [("date", True, "string"), ("default", True, "string")]),
        ("\\{{x}}{{! y }}", []),
    ],
)
def test_variables_are_found(source, expected):
    assert variables(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{#if x}}{{x}}{{/if}}",
        "{{#if x.y}}{{x.y}}{{/if}}",
        "{{#if x}}{{#each x}}{{y}}{{/each}}{{/if}}",
        "{{#if x}}{{#each l}}{{../x}}{{/each}}{{/if}}",
        "{{#if (and a x)}}{{x}}{{/if}}",
        "{{#if (eq x 'a')}}{{x}}{{/if}}",
        "{{#if (gt x 1)}}{{x}}{{/if}}",
        "{{#if (not x)}}{{else}}{{x}}{{/if}}",
        "{{#unless x}}{{else}}{{x}}{{/unless}}",
        "{{#unless (or (not x) a)}}{{x}}{{/unless}}",
        "{{#if (not x)}}a{{else if y}}{{x}}{{/if}}",
    ],
)
def test_a_use_that_its_test_guards_is_not_required(source):
    found = {variable.name: variable.required for variable in compile(source, escape=True).variables}
    assert found["x"] is False


@pytest.mark.parametrize(
    "source",
    [
        "{{#if x}}{{else}}{{x}}{{/if}}",
        "{{#unless x}}{{x}}{{/unless}}",
        "{{#if (or a x)}}{{x}}{{/if}}",
        "{{#if (not x)}}{{x}}{{/if}}",
        "{{#if (ne x 'a')}}{{x}}{{/if}}",
        "{{#if (eq x null)}}{{x}}{{/if}}",
        "{{#if (default x 1)}}{{x}}{{/if}}",
        "{{#if x}}{{/if}}{{#if y}}{{x}}{{/if}}",
        "{{#if y}}{{else if x}}{{else}}{{x}}{{/if}}",
    ],
)
def test_a_use_that_nothing_guards_is_required(source):
    found = {variable.name: variable.required for variable in compile(source, escape=True).variables}
    assert found["x"] is True
