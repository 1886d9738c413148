"""Checks as rows of work: claimed, answered once, left behind by the dead, and waited for."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from emails.transports import checks
from emails.transports.checks import Finding
from emails.transports.models import Transport, TransportCheck
from mailgrid.core import bells
from mailgrid.core.clock import now

pytestmark = pytest.mark.django_db
# Threads see committed rows only; the flush behind such a test would take what migrations had made, too.
THREADS = pytest.mark.django_db(transaction=True, serialized_rollback=True)

REFUSED = Finding(kind="auth", code="X" * 200, message="M" * 2_000)


@pytest.fixture
def transport(acme) -> Transport:
    return Transport.across_tenants.create(tenant=acme.tenant, name="main", kind="sandbox")


@THREADS
def test_those_who_ask_at_once_get_the_same_check(transport):
    start = threading.Barrier(4)

    def ask(_number: int) -> Any:
        start.wait()
        try:
            return checks.ask(transport, now=now()).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        (made,) = set(threads.map(ask, range(4)))
    assert TransportCheck.objects.get().pk == made


RUNG: list[str] = []


def remember(queue: str) -> None:
    """Instead of a broker."""
    RUNG.append(queue)


def fine(transports: Sequence[Transport]) -> list[Finding | None]:
    return [None for _ in transports]


def run(at, checker=fine) -> dict[str, int]:
    return dict(checks.run_due_checks(checker=checker, clock=lambda: at))


def test_asking_rings_the_bell_of_fetching_also_for_who_joins(
    transport, settings, django_capture_on_commit_callbacks
):
    settings.BELL_RINGER = f"{__name__}.remember"
    RUNG.clear()
    with django_capture_on_commit_callbacks(execute=True):
        first, second = (checks.ask(transport, now=now()) for _ in range(2))
    assert first.pk == second.pk
    assert RUNG == [bells.FETCH] * 2


def test_the_providers_words_are_cut_to_their_columns(transport):
    check = checks.ask(transport, now=now())
    assert run(now(), lambda transports: [REFUSED for _ in transports]) == {"failed": 1}
    check.refresh_from_db()
    assert (check.state, check.error_class, check.error_code, check.error_message) == (
        "failed",
        "auth",
        "X" * 100,
        "M" * 1_000,
    )
    assert check.lease_until is None


def test_many_are_looked_at_a_few_at_a_time(acme):
    seen: list[int] = []

    def count(transports: Sequence[Transport]) -> list[Finding | None]:
        seen.append(len(transports))
        return fine(transports)

    for number in range(9):
        row = Transport.across_tenants.create(tenant=acme.tenant, name=f"t{number}", kind="sandbox")
        checks.ask(row, now=now())
    assert run(now(), count) == {"ok": 9}
    assert seen == [4, 4, 1]


class Died(BaseException):
    """As when the process ends."""


def test_a_dead_worker_leaves_it_to_the_next_three_times_at_most(transport):
    def dies(_transports: Sequence[Transport]) -> list[Finding | None]:
        raise Died

    clock = now()
    check = checks.ask(transport, now=clock)
    for attempt in range(1, checks.ATTEMPTS + 1):
        with pytest.raises(Died):
            run(clock, dies)
        check.refresh_from_db()
        assert (check.state, check.attempts) == ("processing", attempt)
        assert run(clock + timedelta(seconds=checks.LEASE_SECONDS - 1)) == {}
        clock += timedelta(seconds=checks.LEASE_SECONDS)
    assert run(clock, dies) == {"failed": 1}
    check.refresh_from_db()
    assert (check.error_class, check.error_code, check.checked_at) == ("bug", "worker_lost", clock)


def test_the_next_one_answers_when_the_first_is_dead(transport):
    check = checks.ask(transport, now=now())
    TransportCheck.objects.update(state="processing", fence=1, attempts=1, due_at=now())
    assert run(now()) == {"ok": 1}
    check.refresh_from_db()
    assert (check.state, check.fence, check.attempts) == ("ok", 2, 2)


def test_a_late_answer_changes_nothing(transport):
    """Somebody else has claimed it since, because the lease was over."""
    check = checks.ask(transport, now=now())

    def late(transports: Sequence[Transport]) -> list[Finding | None]:
        TransportCheck.objects.update(fence=7)
        return fine(transports)

    run(now(), late)
    check.refresh_from_db()
    assert (check.state, check.fence) == ("processing", 7)


def test_waiting_ends_with_the_answer_or_the_time(transport, monkeypatch):
    check = checks.ask(transport, now=now())
    assert checks.awaited(check, seconds=0.05).state == "pending"
    run(now())
    assert checks.awaited(check, seconds=60).state == "ok"


def test_only_a_few_requests_of_a_process_wait(transport, monkeypatch):
    """Else checks of silent hosts would take every web thread."""
    check = checks.ask(transport, now=now())
    full = threading.BoundedSemaphore(1)
    full.acquire()
    monkeypatch.setattr(checks, "_waiters", full)
    assert checks.awaited(check, seconds=3600).state == "pending"
    full.release()
    monkeypatch.setattr(checks.time, "sleep", lambda _seconds: run(now()))
    assert checks.awaited(check, seconds=60).state == "ok"
    assert full.acquire(blocking=False)


def test_an_open_check_is_never_forgotten(transport):
    check = checks.ask(transport, now=now() - timedelta(days=9))
    assert checks.ask(transport, now=now()).pk == check.pk


def test_a_transport_that_was_never_checked_says_so(transport):
    with pytest.raises(checks.CheckNotFound):
        checks.latest(transport)
