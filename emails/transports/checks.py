"""Checks of transports: asked for here, answered by a worker, because only workers talk to the network.

A check is a row. Whoever wants it again while it is open gets the one that is open; a worker that dies leaves it to the
next one, three times at most.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from django.db import transaction
from django.db.models import QuerySet

from emails.transports.models import Transport, TransportCheck
from mailgrid.core import bells, work
from mailgrid.core.errors import NotFound
from mailgrid.core.ids import parse_uuid, uuid7
from mailgrid.core.sql import insert_rows, run, values_table

DRAIN_SECONDS: Final = 2.0  # then the other queues of the same worker get their turn
BATCH: Final = 4  # checks made at a time
LEASE_SECONDS: Final = 60  # above connect 3 s + read 20 s, with room for several connections
ATTEMPTS: Final = 3
KEPT: Final = timedelta(days=1)
WAITERS: Final = 4  # requests of one process that may wait for an answer; others are told to ask again

OPEN: Final = (TransportCheck.State.PENDING, TransportCheck.State.PROCESSING)
_waiters = threading.BoundedSemaphore(WAITERS)

Summary = Counter[str]


class CheckNotFound(NotFound):
    """No check of this id is kept for this transport."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Why a transport cannot be used: a class of errors as in attempts, and the provider's words."""

    kind: str
    code: str
    message: str


class Checker(Protocol):
    """How a worker looks at provider accounts."""

    def __call__(self, transports: Sequence[Transport]) -> Sequence[Finding | None]:
        """Connect and authenticate, send nothing; in order, None where all is well. Never raises."""
        ...


def ask(transport: Transport, *, now: datetime) -> TransportCheck:
    """The open check of a transport, made and rung for if there is none. Answers of yesterday are forgotten."""
    with transaction.atomic():
        TransportCheck.objects.filter(transport=transport, requested_at__lt=now - KEPT).exclude(
            state__in=OPEN
        ).delete()
        state = TransportCheck.State.PENDING.value
        row = (uuid7(), transport.pk, state, now, None, 0, 0, "", "", "", now, None)
        insert_rows(TransportCheck, _COLUMNS, [row], ignore_conflicts=True)
        bells.ring(bells.FETCH)
        return latest(transport)  # the one made, or the one whose being open kept it from being made


def latest(transport: Transport) -> TransportCheck:
    """The newest check of a transport; raises `CheckNotFound` when none is kept."""
    found = TransportCheck.objects.filter(transport=transport).order_by("-pk").first()
    if found is None:
        raise CheckNotFound("This transport has not been checked lately.")
    return found


def find(transport: Transport, check_id: str) -> TransportCheck:
    """One check of a transport; raises `CheckNotFound`."""
    pk = parse_uuid(check_id)
    found = TransportCheck.objects.filter(transport=transport, pk=pk).first() if pk else None
    if found is None:
        raise CheckNotFound("There is no such check.")
    return found


def awaited(check: TransportCheck, *, seconds: float) -> TransportCheck:
    """The check once it is answered, or as it is after that time; at once when many wait already.

    Looks at the row again and again: call it outside of any transaction.
    """
    if not _waiters.acquire(blocking=False):
        return check
    try:
        until, pause = time.monotonic() + seconds, 0.02
        while check.state in OPEN and time.monotonic() + pause < until:
            time.sleep(pause)
            pause = min(0.25, pause * 1.5)
            check = TransportCheck.objects.filter(pk=check.pk).first() or check
        return check
    finally:
        _waiters.release()


def due() -> "QuerySet[TransportCheck]":
    """Checks that are not answered; those in a worker's hands are due when its lease ends."""
    return TransportCheck.objects.filter(state__in=OPEN)


def run_due_checks(*, checker: Checker, clock: Callable[[], datetime]) -> Summary:
    """Answer due checks until there are none, or for two seconds; how many ended how."""
    total: Summary = Counter()
    until = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < until:
        batch = work.claim(
            due().select_related("transport"), now=clock(), limit=BATCH, lease_seconds=LEASE_SECONDS
        )
        if not batch:
            return total
        total += _answer(batch, checker, clock)
    bells.ring(bells.FETCH)
    return total


def _answer(batch: Sequence[TransportCheck], checker: Checker, clock: Callable[[], datetime]) -> Summary:
    fresh = [check for check in batch if check.attempts <= ATTEMPTS]
    findings = dict(
        zip(
            (check.pk for check in fresh),
            checker([check.transport for check in fresh]) if fresh else (),
            strict=True,
        )
    )
    answers = [(check, findings.get(check.pk, _WORN_OUT)) for check in batch]
    _settle(answers, now=clock())
    return Counter("failed" if finding else "ok" for _, finding in answers)


def _settle(answers: Sequence[tuple[TransportCheck, Finding | None]], *, now: datetime) -> None:
    """In one statement; a check that was claimed again since stays."""
    rows = [
        (
            check.pk,
            check.fence,
            (TransportCheck.State.FAILED if finding else TransportCheck.State.OK).value,
            finding.kind if finding else "",
            finding.code[:100] if finding else "",
            finding.message[:1000] if finding else "",
            now,
        )
        for check, finding in answers
    ]
    table, parameters = values_table("v", TransportCheck, _ANSWER, rows)
    run(
        f"WITH {table} UPDATE emails_transportcheck SET state = v.state, error_class = v.kind, error_code = v.code,"
        " error_message = v.message, checked_at = v.at, lease_until = NULL"
        " FROM v WHERE emails_transportcheck.id = v.id AND emails_transportcheck.fence = v.fence",
        parameters,
    )


_WORN_OUT: Final = Finding(
    kind="bug", code="worker_lost", message=f"The worker that made this check died, {ATTEMPTS} times."
)
_COLUMNS: Final = (
    "id",
    "transport_id",
    "state",
    "due_at",
    "lease_until",
    "fence",
    "attempts",
    "error_class",
    "error_code",
    "error_message",
    "requested_at",
    "checked_at",
)
_ANSWER: Final = {
    "id": "id",
    "fence": "fence",
    "state": "state",
    "kind": "error_class",
    "code": "error_code",
    "message": "error_message",
    "at": "checked_at",
}
