"""The documents tell the truth: routes, scopes, words and fields of docs/api.md are those of the code, JSON parses."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from pydantic import BaseModel, RootModel

from mailgrid.core.callers import ANY_KEY
from mailgrid.core.vocabulary import EventType, FailReason, HoldReason, Status, SuppressedReason
from mailgrid.env import BASE_DIR
from mailgrid.http.errors import STATUSES
from mailgrid.http.reading import OUR_CODES

API = BASE_DIR / "docs" / "api.md"
DOCUMENTS = [*sorted((BASE_DIR / "docs").glob("*.md")), BASE_DIR / "README.md"]

METHODS = "GET|POST|PATCH|PUT|DELETE"
# | POST | `/api/emails` | `emails:send` | send one |
ROW = re.compile(rf"^\| ({METHODS}) \| `([^`]+)` \| ([^|]+) \|", re.MULTILINE)
INLINE = re.compile(rf"\b({METHODS}) (/[^\s`,;)]+)")
ADDRESS = re.compile(r"(?<![\w.])(?:\$MAILGRID)?(/api/[a-z][^\s`\"',;)]*)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HOLE = re.compile(r"<[^>]+>|\{[^}]+\}")

Call = tuple[str, str]


@cache
def text() -> str:
    return API.read_text()


@cache
def words() -> frozenset[str]:
    """Everything that stands in backticks outside of examples."""
    return frozenset(re.findall(r"`([^`\n]+)`", FENCE.sub("", text())))


def patterns(entries: Any = None, prefix: str = "/") -> Iterator[tuple[str, Any]]:
    for entry in get_resolver().url_patterns if entries is None else entries:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from patterns(entry.url_patterns, route)
        elif isinstance(entry, URLPattern):
            yield route, entry.callback


def shape(path: str) -> str:
    """A path with its names left out, so that `<str:email_id>` and `{id}` are the same."""
    return HOLE.sub("{}", path)


def at(path: str) -> Any:
    """What answers at a path as people write it; raises where nothing does."""
    return resolve(HOLE.sub("x", path.replace("{}", "x").partition("?")[0].rstrip(".")))


@cache
def routes() -> dict[Call, str]:
    """Every call under /api, with its scope as the tables name it."""
    found = {}
    for route, view in patterns():
        if not route.startswith("/api/"):
            continue
        endpoint = getattr(view, "view_class", None)
        for method, scope in getattr(endpoint, "scopes", {"GET": "open"}).items():
            told = "any key" if scope == ANY_KEY else scope
            found[method, shape(route)] = "operator" if getattr(endpoint, "operator", False) else told
    return found


@cache
def table() -> dict[Call, str]:
    """Every row of the route tables; a path's `|` is escaped there."""
    rows = ROW.findall(text().replace("\\|", "/"))
    return {(method, shape(path)): scope.strip().strip("`") for method, path, scope in rows}


def endpoints() -> list[Any]:
    views = {getattr(view, "view_class", None) for route, view in patterns() if route.startswith("/api/")}
    return sorted((view for view in views if hasattr(view, "scopes")), key=lambda view: view.__name__)


def fields(model: Any) -> Iterator[str]:
    """The names a body may have, those of objects in it too."""
    if issubclass(model, RootModel):
        return
    for name, field in model.model_fields.items():
        yield field.alias or name
        for inner in re.findall(r"[\w.]+", repr(field.annotation)):
            if found := NESTED.get(inner.rpartition(".")[2]):
                yield from fields(found)


def _subclasses(model: type[Any]) -> Iterator[type[Any]]:
    for one in model.__subclasses__():
        yield one
        yield from _subclasses(one)


NESTED = {
    one.__name__: one
    for one in _subclasses(BaseModel)
    if one.__module__.startswith(("emails.", "templates.", "tenants.", "mailgrid."))
}


def test_every_route_has_its_row_with_its_scope():
    told = {call: scope for call, scope in table().items() if call[1].startswith("/api/")}
    assert len(told) > 50
    assert told == routes()


def test_rows_outside_of_the_api_are_routes_too():
    for _method, path in table():
        assert at(path), path


def test_every_call_that_is_mentioned_exists():
    calls = INLINE.findall(text())
    assert len(calls) > 10
    for method, path in calls:
        view = getattr(at(path).func, "view_class", None)
        assert method in getattr(view, "scopes", {"GET": ""}), (method, path)


def test_every_address_that_is_mentioned_resolves():
    found = ADDRESS.findall(text().replace("\\|", "/"))
    assert len(found) > 50
    for path in found:
        assert at(path), path


@pytest.mark.parametrize("name", sorted(STATUSES))
def test_every_error_is_documented_with_its_status(name):
    rows = [line for line in text().splitlines() if line.startswith(("| 4", "| 5"))]
    assert any(f"`{name}`" in row and str(STATUSES[name]) in row.split("|")[1] for row in rows)


@pytest.mark.parametrize("vocabulary", [EventType, Status, HoldReason, FailReason, SuppressedReason])
def test_every_word_is_documented(vocabulary):
    assert {str(word) for word in vocabulary} - words() == set()


def test_every_code_of_a_field_is_documented():
    assert OUR_CODES | {"unknown_field", "missing_required_field", "stream_disabled"} <= words()


@pytest.mark.parametrize("view", endpoints(), ids=lambda view: view.__name__)
def test_every_field_and_filter_is_documented(view):
    names = {name for model in view.bodies.values() for name in fields(model)} | set(view.filters)
    mentioned = {part for word in words() for part in re.findall(r"\w+", word)}
    assert names - mentioned == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_json_parses(document: Path):
    for language, block in FENCE.findall(document.read_text()):
        if language == "json":
            json.loads(block)


def test_the_examples_are_seen():
    assert sum(language == "json" for language, _ in FENCE.findall(text())) > 30


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        found = document.parent / path if path else document
        assert found.exists(), target
        if anchor and found.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", found.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
            assert anchor in anchors, target
