"""What a template prints here is what handlebars.js prints; Node renders each of thousands of generated ones."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

from templates.handlebars import MissingVariable, RenderError, TemplateSyntaxError, compile
from tests.clients.node import Node
from tests.contracts.handlebars_templates import SOUP_DATA, marked_templates, soups, templates

Peer = Callable[..., dict[str, Any]]

SCRIPT = Path(__file__).parent / "handlebars_peer.mjs"
calm = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    """handlebars.js: `{"output": …}` or `{"error": …}`."""
    with Node(SCRIPT) as node:

        def render(template: str, data: Any, *, escape: bool = True, strict: bool = False) -> dict[str, Any]:
            answer: dict[str, Any] = node.ask(
                {"template": template, "data": data, "escape": escape, "strict": strict}
            )
            return answer

        yield render


@given(made=templates)
@settings(calm, max_examples=1_000)
def test_a_generated_template_prints_the_same(peer: Peer, made: tuple[str, dict[str, Any]]) -> None:
    template, data = made
    expected = peer(template, data)
    if "error" in expected:
        with pytest.raises(TemplateSyntaxError):
            compile(template, escape=True)
    else:
        assert compile(template, escape=True).render(data) == expected["output"]


@given(made=marked_templates)
@settings(calm, max_examples=300)
def test_nothing_is_escaped_in_texts(peer: Peer, made: tuple[str, dict[str, Any]]) -> None:
    template, data = made
    expected = peer(template, data, escape=False)
    assume("output" in expected)
    assert compile(template, escape=False).render(data) == expected["output"]


@given(template=soups)
@settings(calm, max_examples=1_000)
def test_what_is_accepted_at_all_prints_the_same(peer: Peer, template: str) -> None:
    """Mailgrid refuses more than handlebars.js does; whatever it takes, it takes for the same."""
    try:
        printed = compile(template, escape=True).render(SOUP_DATA)
    except (TemplateSyntaxError, RenderError):
        return
    assert peer(template, SOUP_DATA) == {"output": printed}


@pytest.mark.parametrize(
    "path", ["absent", "user.absent", "user.absent.more", "list.7", "../absent", "@root.no.x"]
)
def test_a_variable_is_missing_where_strict_handlebars_says_so(peer: Peer, path: str) -> None:
    data = {"user": {"name": "Ann"}, "list": [1]}
    template = f"{{{{#each list}}}}{{{{{path}}}}}{{{{/each}}}}"
    assert "error" in peer(template, data, strict=True)
    with pytest.raises(MissingVariable) as missing:
        compile(template, escape=True).render(data)
    assert missing.value.name == path


DATA = {
    "list": ["a", "b"],
    "object": {"2": "x", "1": "y"},
    "date": "D",
    "big": 2**53 + 1,
    "face": "😀",
    "nulls": [None],
}
DIFFERENCES = [
    ("{{list.0}}", None, "a"),
    ("{{object}}", "[object Object]", None),
    ("{{#each date}}x{{else}}none{{/each}}", "none", None),
    ("{{absent}}", "", None),
    ("{{#each absent}}{{/each}}", "", None),
    ("{{lookup object 'z'}}", "", None),
    ("{{@index}}", "", None),
    ("{{../date}}", "", None),
    ("{{uppercase}}{{date}}", "[OBJECT OBJECT]D", None),
    (
        "{{#each list}}{{#each ../list}}{{../this}}{{/each}};{{/each}}",
        "[object Object]a;b[object Object];",
        "aa;bb;",
    ),
    ("{{#each nulls}}{{#if @first}}{{this}}{{/if}}{{/each}}", "[object Object]", ""),
    ("{{{list.length}}}{{{list.length}}}", "4", "22"),
    ("{{big}}", "9007199254740992", "9007199254740993"),
    ("{{face.length}}", "2", "1"),
    ("{{#each object}}{{@key}}{{/each}}", "12", "21"),
    ("{{uppercase 'a\\'}}", "A\\", None),
    ("{{5}}", "", None),
    ("{{^}}", None, None),
    ("{{#each list as |x|}}{{x}}{{/each}}", "ab", None),
    ("{{#if 0 includeZero=true}}x{{/if}}", "x", None),
]


@pytest.mark.parametrize(("template", "theirs", "ours"), DIFFERENCES)
def test_the_differences_are_those_of_the_documentation(
    peer: Peer, template: str, theirs: str | None, ours: str | None
) -> None:
    assert peer(template, DATA).get("output") == theirs
    if ours is None:
        with pytest.raises((TemplateSyntaxError, RenderError)):
            compile(template, escape=True).render(DATA)
    else:
        assert compile(template, escape=True).render(DATA) == ours
