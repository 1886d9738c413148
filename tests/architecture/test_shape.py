"""House rules as code: what may stand where, and which lists must agree."""

import ast
import importlib
import inspect
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import models
from kombu import Queue

from emails.messages.lifecycle import EVENT_OF
from mailgrid.core import bells
from mailgrid.core.bells import Priority
from mailgrid.core.scoping import ScopedManager, TenantRow
from mailgrid.core.vocabulary import EventType, FailReason, HoldReason, Status, SuppressedReason
from mailgrid.env import BASE_DIR, VARIABLES, as_markdown
from workers import queues, routing, schedule
from workers.celery import app

PACKAGES = ("mailgrid", "emails", "templates", "tenants", "workers")
MAX_LINES = 400


@cache
def modules() -> dict[str, Path]:
    """Every Python file of the product, by its path below the root."""
    found = {}
    for package in PACKAGES:
        for path in sorted((BASE_DIR / package).rglob("*.py")):
            if "migrations" not in path.parts and "__pycache__" not in path.parts:
                found[str(path.relative_to(BASE_DIR))] = path
    return found


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(), filename=name)


# ---- Queues, bells, tasks -------------------------------------------------------------------------------------------


def test_every_priority_has_a_queue_and_a_bell():
    for priority in Priority:
        assert priority.queue in bells.QUEUES
        task, arguments = routing.BELLS[priority.queue]
        assert (task, arguments) == (routing.DELIVER, {"priority": int(priority)})
    assert [int(priority) for priority in Priority] == [0, 1, 2, 3]


def test_the_queues_of_workers_are_those_that_bells_ring():
    assert all(isinstance(queue, Queue) for queue in queues.QUEUES)
    assert [queue.name for queue in queues.QUEUES] == list(bells.QUEUES)
    assert set(routing.BELLS) <= set(bells.QUEUES)
    assert settings.CELERY_TASK_DEFAULT_QUEUE in bells.QUEUES


def our_tasks() -> dict[str, Any]:
    app.loader.import_default_modules()
    for path in (BASE_DIR / "workers" / "tasks").glob("*.py"):
        importlib.import_module(f"workers.tasks.{path.stem}")
    return {name: task for name, task in app.tasks.items() if name.startswith(PACKAGES)}


def test_every_bell_and_every_entry_of_the_schedule_names_a_registered_task():
    known = our_tasks()
    assert {task for task, _ in routing.BELLS.values()} <= set(known)
    for entry in schedule.ENTRIES.values():
        assert entry["task"] in known
        assert entry["options"]["queue"] in bells.QUEUES


def test_a_task_takes_keywords_only_and_ignores_what_newer_publishers_add():
    for name, task in our_tasks().items():
        kinds = [parameter.kind for parameter in inspect.signature(task.run).parameters.values()]
        assert kinds, name
        assert set(kinds) <= {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}, name
        assert kinds[-1] is inspect.Parameter.VAR_KEYWORD, name


def test_the_arguments_of_bells_are_those_of_their_tasks():
    known = our_tasks()
    for task, arguments in routing.BELLS.values():
        inspect.signature(known[task].run).bind(**arguments, of_a_newer_version=1)


def test_a_task_is_one_call_of_at_most_ten_lines():
    for name in modules():
        if name.startswith("workers/tasks/"):
            for node in ast.walk(tree(name)):
                if isinstance(node, ast.FunctionDef) and node.decorator_list:
                    assert (node.end_lineno or 0) - node.lineno < 10, f"{name}: {node.name}"


# ---- Models ---------------------------------------------------------------------------------------------------------

OURS = [model for model in apps.get_models() if model.__module__.startswith(PACKAGES)]
OF_TENANTS = [model for model in OURS if any(field.name == "tenant" for field in model._meta.fields)]
# Rows of a tenant that are never looked for by their tenant alone.
NO_INDEX_OF_THEIR_OWN = {
    "Delivery": "claimed by lane, read by message; the lane's index goes on with the tenant",
    "CapturedMail": "read in the console only, by message or newest first; unique by delivery and fence",
}


def test_the_models_of_tenants_are_found():
    assert {"Message", "Delivery", "Recipient", "Event", "Stream", "ApiKey"} <= {
        m.__name__ for m in OF_TENANTS
    }


@pytest.mark.parametrize("model", OF_TENANTS, ids=lambda model: model.__name__)
def test_a_tenants_row_has_the_scoped_manager_and_the_plain_one_spelled_out(model):
    managers = {manager.name: type(manager) for manager in model._meta.managers}
    assert managers.get("objects") is ScopedManager
    assert managers.get("across_tenants") is models.Manager
    assert model._default_manager.name == "across_tenants"
    assert not model._meta.get_field("tenant").null or not issubclass(model, TenantRow)


@pytest.mark.parametrize("model", OF_TENANTS, ids=lambda model: model.__name__)
def test_a_tenants_rows_are_found_by_an_index_that_starts_with_the_tenant(model):
    meta = model._meta
    leading = [list(index.fields)[:1] for index in meta.indexes if index.fields]
    leading += [list(c.fields)[:1] for c in meta.constraints if isinstance(c, models.UniqueConstraint)]
    if model.__name__ in NO_INDEX_OF_THEIR_OWN:
        assert ["tenant"] not in leading, "it has one: take it off the list"
        return
    assert ["tenant"] in leading


@pytest.mark.parametrize("model", OF_TENANTS, ids=lambda model: model.__name__)
def test_a_model_with_modes_says_so(model):
    has_test = any(field.name == "test" for field in model._meta.fields)
    separate = model.__name__ in {"Message", "Event", "CapturedMail", "Verification"}
    assert bool(getattr(model, "has_modes", False)) == separate
    assert has_test or not separate


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_constraints_and_indexes_have_names_of_ours(model):
    for named in (*model._meta.constraints, *model._meta.indexes):
        assert named.name.startswith(f"{model._meta.app_label}_"), named
        assert len(named.name) <= 30 or isinstance(named, models.UniqueConstraint)


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_columns_hold_the_longest_word_of_their_list(model):
    longest = {
        "state": max(map(len, Status)),
        "status": max(map(len, Status)),
        "hold_reason": max(map(len, HoldReason)),
        "reason": max(map(len, [*FailReason, *SuppressedReason])),
        "type": max(map(len, EventType)),
    }
    if model.__name__ not in {"Message", "Delivery", "Recipient", "Event"}:
        return
    for field in model._meta.fields:
        if isinstance(field, models.CharField) and field.name in longest:
            assert field.max_length is not None
            assert field.max_length >= longest[field.name], f"{model.__name__}.{field.name}"


# ---- Words ----------------------------------------------------------------------------------------------------------


def test_every_event_is_a_state_of_the_lifecycle_or_engagement():
    assert set(EventType) == {*EVENT_OF.values(), EventType.OPENED, EventType.CLICKED}
    assert all(EVENT_OF[status] == f"email.{status}" for status in EVENT_OF)


def test_every_variable_is_described():
    assert len({variable.name for variable in VARIABLES}) == len(VARIABLES)
    written = as_markdown()
    for variable in VARIABLES:
        assert variable.name.isupper()
        assert variable.sentence.endswith("."), variable.name
        assert f"| `{variable.name}` |" in written
        if variable.default is not None:
            variable.read(variable.default)
    assert (BASE_DIR / "docs" / "configuration.md").read_text() == written, "make docs"


def test_every_variable_is_read_somewhere():
    source = "\n".join(path.read_text() for name, path in modules().items() if name != "mailgrid/env.py")
    unread = {
        v.name for v in VARIABLES if f'env("{v.name}")' not in source and f"env('{v.name}')" not in source
    }
    assert not unread


# ---- Files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(modules()))
def test_no_module_is_long(name):
    assert len(modules()[name].read_text().splitlines()) <= MAX_LINES


def test_the_folder_of_tenants_templates_is_no_page_folder():
    for engine in settings.TEMPLATES:
        folders = {Path(folder).resolve() for folder in engine["DIRS"]}
        assert BASE_DIR / "templates" not in folders
        assert BASE_DIR not in folders


# Where an import must wait, and why.
LATE_IMPORTS = {"workers/apps.py": "Celery's app reads Django's settings, which must be ready"}


def late_imports(name: str) -> Iterator[int]:
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    yield inner.lineno


@pytest.mark.parametrize("name", sorted(modules()))
def test_nothing_is_imported_inside_a_function(name):
    assert bool(list(late_imports(name))) == (name in LATE_IMPORTS)


def test_no_celery_call_leaves_from_below_the_workers():
    """`.delay()` and `.apply_async()` publish before the commit; a bell waits for it (conventions, rule 5)."""
    found = [
        f"{name}:{node.lineno}"
        for name in modules()
        if not name.startswith("workers/")
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Attribute) and node.attr in {"delay", "apply_async", "send_task"}
    ]
    assert [place for place in found if not place.startswith("emails/delivery/outcome.py")] == []


def test_only_the_clock_reads_the_wall_clock():
    """Services get `now` as an argument (rule 3); monotonic time measures, and tells no date."""
    forbidden = {("datetime", "now"), ("datetime", "utcnow"), ("timezone", "now"), ("date", "today")}
    found = [
        f"{name}:{node.lineno}"
        for name in modules()
        if name != "mailgrid/core/clock.py"
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in forbidden
    ]
    assert found == []


_LOOPS = ("emails/delivery/claim.py", "emails/delivery/settle.py")
_PACE = "emails/delivery/pacing.py"  # how far an account has recovered is asked at each claim


def test_services_and_pure_modules_do_not_ask_for_the_time():
    """Only entry points read the clock: api, tasks, commands, adapters, and the worker's own loop."""
    allowed = ("api.py", "admin.py", "downloads.py", "pages.py", "health.py", "views.py", "authentication.py")
    places = ("workers/", "mailgrid/core/", "tenants/management/", "templates/management/", *_LOOPS, _PACE)
    found = [
        name
        for name in modules()
        if not name.endswith(allowed) and not name.startswith(places)
        for node in ast.walk(tree(name))
        if isinstance(node, ast.ImportFrom)
        and node.module in {"mailgrid.core.clock", "mailgrid.core.database"}
        and any(alias.name in {"now", "database_now"} for alias in node.names)
    ]
    assert found == []


def test_public_functions_and_classes_say_what_they_promise():
    missing = [
        f"{name}:{node.name}"
        for name in modules()
        for node in tree(name).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not (
            isinstance(node, ast.ClassDef) and node.name.endswith(("Config", "Admin", "Command"))
        )  # Django's own words
        and not ast.get_docstring(node)
    ]
    assert missing == []


def test_every_module_says_what_it_is():
    silent = {
        name
        for name in modules()
        if modules()[name].read_text().strip() and not ast.get_docstring(tree(name))
    }
    assert silent == set()


def test_migrations_are_complete(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_tree_holds_no_compiled_or_scratch_files():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=BASE_DIR, capture_output=True, text=True, check=False
    ).stdout
    assert [
        name for name in listed.splitlines() if name.endswith((".pyc", ".sqlite3", ".orig", ".rej"))
    ] == []
