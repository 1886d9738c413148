"""Breakers: what a provider refuses as a whole is not tried again mail by mail.

An answer that blames the account opens one. While it is open its lane is left alone, but for one delivery whenever a
probe is due: the first that succeeds closes it, each that fails makes the next one wait longer.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import F

from emails.transports.models import Breaker
from mailgrid.core import metrics
from mailgrid.core.cache import BriefCache
from mailgrid.core.durations import scaled
from mailgrid.core.logging import get_logger
from mailgrid.core.sql import storable

log = get_logger(__name__)

Cause = Breaker.Cause

# Seconds between probes, the last one repeating (docs/delivery.md, errors).
PROBES: Final = {
    Cause.QUOTA: (300, 600),
    Cause.PAUSED: (300, 900, 1800),
    Cause.AUTH: (60, 300, 900),
    Cause.NETWORK: (5, 15, 60),
}


_known: BriefCache[str, dict[tuple[UUID, str], Breaker]] = BriefCache(seconds=1.0, size=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """An answer that blames more than its own mail."""

    transport_id: UUID
    scope: str
    cause: Breaker.Cause
    words: str


def trip(troubles: Collection[Trouble], *, now: datetime) -> None:
    """Open a breaker for each; one that is open already stays as it is, its probe moves it."""
    rows = {(one.transport_id, one.scope): one for one in troubles}
    if rows:
        _known.clear()
    for (transport_id, scope), one in sorted(rows.items()):
        probe_at = now + _wait(one.cause, 0)
        words = {"words": storable(one.words)[:500], "cause": one.cause}
        _, opened = Breaker.objects.get_or_create(
            transport_id=transport_id, scope=scope, defaults=words | {"opened_at": now, "probe_at": probe_at}
        )
        if opened:
            metrics.breakers.labels(cause=one.cause).inc()
            log.error("emails.breaker.opened", transport=str(transport_id), scope=scope, **words)


def close(transport_id: UUID, scopes: Collection[str]) -> None:
    """Mail goes out again."""
    closed = Breaker.objects.filter(transport_id=transport_id, scope__in=scopes).delete()[0]
    _known.clear()
    if closed:
        log.info("emails.breaker.closed", transport=str(transport_id))


def forget(transport_id: UUID) -> None:
    """The account was changed: try it afresh."""
    Breaker.objects.filter(transport_id=transport_id).delete()
    _known.clear()


def open_breakers() -> dict[tuple[UUID, str], Breaker]:
    """Every open breaker, as of at most a second ago; there are few."""
    if (kept := _known.get("")) is None:
        kept = {(row.transport_id, row.scope): row for row in Breaker.objects.all()}
        _known.put("", kept)
    return kept


def take_probe(breaker: Breaker, *, now: datetime) -> bool:
    """Whether the caller may try one delivery; nobody else may until the next probe is due."""
    if breaker.probe_at > now:
        return False
    same = Breaker.objects.filter(pk=breaker.pk, probe_at=breaker.probe_at)
    wait = _wait(Cause(breaker.cause), breaker.probes + 1)
    _known.clear()
    return bool(same.update(probe_at=now + wait, probes=F("probes") + 1))


def give_back_probe(breaker: Breaker, *, now: datetime) -> None:
    """The probe was taken and not made: the next one may be made at once."""
    Breaker.objects.filter(pk=breaker.pk, probe_at__gt=now).update(probe_at=now, probes=F("probes") - 1)
    _known.clear()


def _wait(cause: Breaker.Cause, probes: int) -> timedelta:
    steps = PROBES[cause]
    return timedelta(seconds=scaled(steps[min(probes, len(steps) - 1)]))
