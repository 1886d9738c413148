"""Fetch what is due, put it into its message when all of it is there, and let the message go; or say why not."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from random import random
from typing import Final

from django.conf import settings

from emails.attachments import selectors
from emails.attachments.folders import read_below
from emails.attachments.intake import place_of
from emails.attachments.models import PendingAttachment
from emails.attachments.places import Place, below, read_place
from emails.attachments.ports import Fetcher, NotFetched
from emails.attachments.settling import Outcome, settle
from emails.messages.content import ContentGone
from mailgrid.core import bells, work
from mailgrid.core.crypto import CannotDecrypt
from mailgrid.core.errors import NotFound
from mailgrid.core.files import MAX_BYTES, FileRefused
from mailgrid.core.hosts import ForbiddenHost
from mailgrid.core.logging import get_logger
from mailgrid.core.vocabulary import HoldReason, Status
from tenants.tenancy.sources import Source, find_source

log = get_logger(__name__)

BATCH: Final = 4  # fetched side by side: up to 100 MB of a worker's memory
LEASE_SECONDS: Final = 120  # above the fetcher's 45 s, twice: a store that is slow, too
DRAIN_SECONDS: Final = 2.0  # then the other queues of the same worker get their turn

Summary = Counter[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """A row in our hands and, where it is in a source, the source."""

    row: PendingAttachment
    place: Place
    source: Source | None


def fetch_due(*, fetcher: Fetcher, pool: Executor, clock: Callable[[], datetime]) -> Summary:
    """Fetch what is due until there is nothing, or for two seconds; how many attachments ended how."""
    total: Summary = Counter()
    until = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < until:
        done = fetch_batch(fetcher=fetcher, pool=pool, clock=clock)
        if not done:
            return total
        total += done
    bells.ring(bells.FETCH)
    return total


def fetch_batch(*, fetcher: Fetcher, pool: Executor, clock: Callable[[], datetime]) -> Summary:
    """One batch: claimed, fetched side by side, settled message by message."""
    claimed = work.claim(
        selectors.next_due(now=clock(), limit=BATCH).select_related("message"),
        now=clock(),
        limit=BATCH,
        lease_seconds=LEASE_SECONDS,
    )
    wanted = _still_wanted(claimed)
    jobs = [_job(row) for row in wanted]
    outcomes = list(pool.map(partial(_fetched, fetcher), jobs))  # threads of the pool use no database
    done: Summary = Counter(dropped=len(claimed) - len(wanted))
    for row, outcome in zip(wanted, outcomes, strict=True):  # each in the transaction of its message
        done[_settled(row, outcome, now=clock())] += 1
    return +done


def _settled(row: PendingAttachment, outcome: Outcome, *, now: datetime) -> str:
    """One message's trouble is not the others'. What can never be put together fails; what may yet is tried again."""
    try:
        return settle(row, outcome, now=now, random=random)
    except ContentGone as error:
        return settle(row, NotFetched("gone", str(error), for_good=True), now=now, random=random)
    except OSError as error:
        return settle(row, NotFetched("store", str(error), for_good=False), now=now, random=random)


def _still_wanted(rows: Sequence[PendingAttachment]) -> list[PendingAttachment]:
    """Those whose message still waits for them; the others go."""
    waiting = set(
        PendingAttachment.across_tenants.filter(
            pk__in=[row.pk for row in rows],
            message__deliveries__state=Status.HELD,
            message__deliveries__hold_reason=HoldReason.ATTACHMENTS,
        ).values_list("pk", flat=True)
    )
    over = [row.pk for row in rows if row.pk not in waiting]
    PendingAttachment.across_tenants.filter(pk__in=over).delete()
    return [row for row in rows if row.pk in waiting]


def _job(row: PendingAttachment) -> _Job | NotFetched:
    try:
        place = read_place(place_of(row), allowed=settings.UNSAFE_HOSTS)
        source = find_source(row.tenant_id, place.source) if place.source else None
    except (CannotDecrypt, ForbiddenHost, FileRefused, NotFound) as error:
        return NotFetched("refused", str(error), for_good=True)
    return _Job(row=row, place=place, source=source)


def _fetched(fetcher: Fetcher, job: _Job | NotFetched) -> Outcome:
    if isinstance(job, NotFetched):
        return job
    try:
        return _read(fetcher, job)
    except NotFetched as error:
        return error
    except Exception as error:
        log.warning("emails.attachments.crashed", attachment=str(job.row.pk), exc_info=True)
        return NotFetched("bug", f"{type(error).__name__}: the fetch itself failed.", for_good=False)


def _read(fetcher: Fetcher, job: _Job) -> bytes:
    if job.source is None:
        return fetcher(job.place.url, headers={}, limit=MAX_BYTES)
    if job.source.directory is not None:
        return read_below(job.source.directory, job.place.key, limit=MAX_BYTES)
    url = below(job.source.url or "", job.place.key)
    return fetcher(url, headers=job.source.headers, limit=MAX_BYTES)
