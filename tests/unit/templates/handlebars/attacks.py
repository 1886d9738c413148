"""Hostile templates and data: what a compilation must refuse, and what rendering must stop at (fault_tests.md A17)."""

from typing import Any

from templates.handlebars.running import MAX_ROUNDS

LONG = "x" * 256_000
MANY = list(range(MAX_ROUNDS))


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth):
        value = {"a": value}
    return value


SOURCES = {
    "braces": "{{" * 10**6,
    "triple braces": "{{{" * 600_000,
    "open tags": "{{a " * 400_000,
    "parentheses": "{{uppercase " + "(" * 10**6,
    "deep calls": "{{not " + "(not " * 100_000 + "a" + ")" * 100_000 + "}}",
    "deep blocks": "{{#if a}}" * 10_000 + "{{/if}}" * 10_000,
    "loops in loops": "{{#each a}}" * 21 + "{{/each}}" * 21,
    "a long chain": "{{#if a}}" + "{{else if a}}" * 100_000 + "{{/if}}",
    "ends": "{{/if}}" * 100_000,
    "an open string": '{{uppercase "' + '\\"' * 900_000,
    "an open bracket": "{{[" + "\\]" * 900_000,
    "an open comment": "{{!-- }}" * 250_000,
    "spaces in a tag": "{{" + " " * 2_000_000,
    "a long path": "{{" + "a." * 900_000 + "a}}",
    "a long name": "{{" + "a" * 2_000_000 + "}}",
    "a long helper": "{{" + "a" * 1_900_000 + " b}}",
    "steps up": "{{" + "../" * 600_000 + "a}}",
    "arguments": "{{and " + "a " * 900_000 + "}}",
    "names": "{{date a " + "format=1 " * 200_000 + "}}",
    "tags": "{{a}}" * 400_000,
    "escaped tags": "\\{{a" * 400_000,
    "comments": "{{!}}" * 400_000,
    "too much text": "x" * (2 * 1024 * 1024 + 1),
    "too many bytes": "😀" * (512 * 1024 + 1),
}


TOO_MUCH: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a billion rounds": (
        "rounds",
        "{{#each l}}{{#each @root.l}}{{#each @root.l}}x{{/each}}{{/each}}{{/each}}",
        {"l": [1] * 1_000},
    ),
    "empty rounds": ("rounds", "{{#each l}}{{#each @root.l}}{{/each}}{{/each}}", {"l": [1] * 1_000}),
    "one long list": ("rounds", "{{#each l}}{{/each}}", {"l": [*MANY, 1]}),
    "one long object": ("rounds", "{{#each o}}{{/each}}", {"o": dict.fromkeys(map(str, [*MANY, -1]))}),
    "a text in a loop": ("output", "{{#each l}}" + "x" * 200_000 + "{{/each}}", {"l": MANY}),
    "padding": ("output", "{{#each l}}" + " " * 1_000 + "{{/each}}", {"l": MANY}),
    "a value in a loop": ("output", "{{#each l}}{{@root.s}}{{/each}}", {"l": MANY, "s": LONG}),
    "a value again and again": ("output", "{{s}}" * 9_000, {"s": LONG}),
    "escaping": ("output", "{{s}}{{s}}", {"s": "'" * 256_000}),
    "a list of nothing": ("output", "{{#each l}}{{@root.n}}{{/each}}", {"l": MANY, "n": [None] * 120_000}),
    "a list of long texts": ("output", "{{l}}", {"l": [LONG] * 100_000}),
    "bytes, not characters": (
        "output",
        "{{#each l}}{{@root.s}}{{/each}}",
        {"l": [1] * 5, "s": "😀" * 128_000},
    ),
    "capitals of a long text": (
        "steps",
        "{{#each l}}{{#if (uppercase @root.s)}}{{/if}}{{/each}}",
        {"l": MANY, "s": LONG},
    ),
    "capitals of capitals": (
        "steps",
        "{{#each l}}{{#if (uppercase " + "(uppercase " * 18 + "@root.s" + ")" * 18 + ")}}{{/if}}{{/each}}",
        {"l": MANY, "s": "ŉ" * 128_000},
    ),
    "capitals of a long number": (
        "steps",
        "{{#each l}}{{#if (uppercase @root.n)}}{{/if}}{{/each}}",
        {"l": MANY, "n": 10**4_000},
    ),
    "equal long texts": (
        "steps",
        "{{#each l}}{{#if (eq @root.s @root.t)}}{{/if}}{{/each}}",
        {"l": MANY, "s": LONG, "t": LONG[1:] + "x"},
    ),
    "tests": ("steps", "{{#each l}}" + "{{#if @root.a}}{{/if}}" * 100 + "{{/each}}", {"l": MANY, "a": 0}),
    "a chain of tests": (
        "steps",
        "{{#each l}}{{#if a}}" + "{{else if @root.b}}" * 4_000 + "{{/if}}{{/each}}",
        {"l": MANY, "b": 0},
    ),
    "a deep path": (
        "steps",
        "{{#each l}}" + f"{{{{#if @root{'.a' * 49}}}}}{{{{/if}}}}" * 3 + "{{/each}}",
        {"l": MANY, **nested(500)},
    ),
    "dates": ("steps", "{{#each l}}{{date '2026-03-01' 'full'}}{{/each}}", {"l": MANY}),
    "amounts": ("steps", "{{#each l}}{{currency 1 'EUR'}}{{/each}}", {"l": MANY}),
    "lookups": (
        "steps",
        "{{#each l}}" + "{{#if (lookup @root.o @root.n)}}{{/if}}" * 30 + "{{/each}}",
        {"l": MANY, "o": {}, "n": 10**4_000},
    ),
}
