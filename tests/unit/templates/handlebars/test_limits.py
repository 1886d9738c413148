"""Hostile templates and data meet a limit, in bounded memory; the worker lives (fault_tests.md A17)."""

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mailgrid.env import BASE_DIR
from templates.handlebars import (
    HelperError,
    LimitExceeded,
    MissingVariable,
    Program,
    RenderError,
    TemplateSyntaxError,
    compile,
)
from templates.handlebars.running import MAX_OUTPUT
from tests.unit.templates.handlebars.attacks import MANY, SOURCES, TOO_MUCH

MEMORY = 64 * 1024 * 1024  # bytes that any one attack may have at a time


def within_memory(work: Callable[[], Any]) -> None:
    tracemalloc.start()
    try:
        work()
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MEMORY


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
def test_a_hostile_source_is_refused(source):
    def work() -> None:
        with pytest.raises(TemplateSyntaxError) as error:
            compile(source, escape=True)
        assert len(error.value.message) < 1_000

    within_memory(work)


HARMLESS = {
    "spaces around a tag": " " * 1_000_000 + "{{~a~}}" + " " * 1_000_000,
    "spaces around many tags": (" " * 1_000 + "{{#if a}}{{/if}}") * 2_000,
    "newlines": "\n" * 2_000_000,
    "backslashes": "\\" * 2_000_000 + "{{a}}",
    "single braces": "{ " * 1_000_000,
    "a long number": "{{default a " + "9" * 1_000_000 + "}}",
    "a long text": "{{default a '" + "9" * 1_000_000 + "'}}",
    "as many tags as may be": "{{a}}" * 10_000,
}


@pytest.mark.parametrize("source", HARMLESS.values(), ids=HARMLESS.keys())
def test_a_strange_source_is_rendered(source):
    within_memory(lambda: compile(source, escape=True).render({"a": ""}))


@pytest.mark.parametrize(("what", "source", "data"), TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_rendering_stops_at_a_limit(what, source, data):
    program = compile(source, escape=True)

    def work() -> None:
        with pytest.raises(LimitExceeded) as exceeded:
            program.render(data)
        assert exceeded.value.what == what

    within_memory(work)


def test_shared_lists_in_lists_end_at_a_limit_too():
    laughs: list[Any] = ["ha"]
    for _ in range(18):
        laughs = [laughs] * 10
    with pytest.raises(LimitExceeded) as exceeded:
        compile("{{x}}", escape=True).render({"x": laughs})
    assert exceeded.value.what == "output"


def test_a_list_that_contains_itself_ends_at_a_limit():
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(LimitExceeded) as exceeded:
        compile("{{x}}", escape=True).render({"x": loop})
    assert exceeded.value.what == "nesting"


@pytest.mark.parametrize(("source", "size"), [("{{s}}{{s}}", MAX_OUTPUT), ("{{s}}{{s}}!", MAX_OUTPUT + 1)])
def test_the_output_may_have_exactly_so_many_bytes(source, size):
    program = compile(source, escape=True)
    for one in ("x" * (MAX_OUTPUT // 2), "😀" * (MAX_OUTPUT // 8)):
        if size <= MAX_OUTPUT:
            assert len(program.render({"s": one}).encode()) == size
        else:
            with pytest.raises(LimitExceeded):
                program.render({"s": one})


def test_as_many_rounds_as_may_be():
    program = compile("{{#each l}}{{#if @last}}{{@index}}{{/if}}{{/each}}", escape=True)
    assert program.render({"l": MANY}) == "9999"


def test_twenty_blocks_and_parentheses_may_nest():
    assert compile("{{#if a}}" * 20 + "x" + "{{/if}}" * 20, escape=True).render({"a": 1}) == "x"
    calls = "{{not " + "(not " * 20 + "a" + ")" * 20 + "}}"
    assert compile(calls, escape=True).render({"a": 1}) == "false"
    with pytest.raises(TemplateSyntaxError, match="blocks nest at most 20 deep"):
        compile("{{#if a}}" * 21 + "{{/if}}" * 21, escape=True)
    with pytest.raises(TemplateSyntaxError, match="parentheses nest at most 20 deep"):
        compile("{{not " + "(not " * 21 + "a" + ")" * 21 + "}}", escape=True)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ x.__class__.__mro__ }}",
        "{{ x.__init__.__globals__ }}",
        "{{ self }}",
        "{{ request.application }}",
        "{% include '/etc/passwd' %}{{ x.y }}",
        "{{> ../../etc/passwd }}",
        "{{> other_tenant/template }}",
        "{{ x | upper }}",
        "{{ x() }}",
        "{{ x.format() }}",
        "{{ lookup x '__class__' }}",
        "{{ lookup (lookup x 'constructor') 'prototype' }}",
        "{{#with (lookup this '__proto__')}}{{/with}}",
        "{{ __import__ 'os' }}",
        "{{ helperMissing }}",
        "{{ blockHelperMissing x }}",
        "{{ log x }}",
    ],
)
def test_nothing_but_the_data_can_be_reached(source):
    with pytest.raises((TemplateSyntaxError, MissingVariable, HelperError)):
        compile(source, escape=True).render({"x": "text"})


def test_what_is_no_tag_of_the_language_is_text():
    source = "{% include '/etc/passwd' %} ${7*7} <%= 7*7 %> #{7*7} { {x} }"
    assert compile(source, escape=True).render({}) == source


def test_threads_share_a_program_without_mixing_anything_up():
    program = compile(
        "{{#each l}}{{@index}}{{#each this}}{{@../index}}{{this}}{{/each}}{{/each}}", escape=True
    )

    def expected(n: int) -> str:
        return "".join(f"{at}" + f"{at}{n}" * 3 for at in range(20))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: program.render({"l": [[n] * 3] * 20}), range(200)))
    assert found == [expected(n) for n in range(200)]


def test_a_worker_survives_the_attacks_with_little_memory():
    """All of them in one process whose address space and CPU time the kernel limits."""
    finished = subprocess.run([sys.executable, "-c", WORKER], cwd=BASE_DIR, capture_output=True, text=True)
    assert finished.stdout.split() == ["refused"] * (len(SOURCES) + len(TOO_MUCH)) + ["alive"], (
        finished.stderr
    )


WORKER = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (1024**3, 1024**3))
resource.setrlimit(resource.RLIMIT_CPU, (120, 120))
from templates.handlebars import RenderError, TemplateSyntaxError, compile
from tests.unit.templates.handlebars.attacks import SOURCES, TOO_MUCH
for source, data in [*((s, {}) for s in SOURCES.values()), *((s, d) for _, s, d in TOO_MUCH.values())]:
    try:
        compile(source, escape=True).render(data)
        print("rendered")
    except (TemplateSyntaxError, RenderError):
        print("refused")
print(compile("{{x}}", escape=True).render({"x": "alive"}))
"""


def test_a_program_is_small():
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept: list[Program] = [
        compile("{{a}} {{b.c}} {{#if d}}{{e}}{{/if}}" + "x" * 10_000, escape=True) for _ in range(20)
    ]
    size = (tracemalloc.get_traced_memory()[0] - before) / len(kept)
    tracemalloc.stop()
    assert size < 20_000


def test_every_error_of_rendering_has_one_base():
    assert all(issubclass(error, RenderError) for error in (MissingVariable, LimitExceeded, HelperError))
    assert not issubclass(TemplateSyntaxError, RenderError)
