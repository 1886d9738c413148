"""The claim: which lanes have work, a fair batch of one lane, and its way to `sending` with the attempts journalled."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection

from emails.messages.models import Attempt, Delivery
from emails.messages.moves import AttemptOutcome
from mailgrid.core.bells import Priority
from mailgrid.core.ids import uuid7
from mailgrid.core.sql import adapted, any_of, insert_rows, read_time, read_uuid, run

LEASE_SECONDS: Final = 90  # above compose 10 s + connect 3 s + read 20 s, with room for a batch
NOBODY: Final = UUID(int=0)  # before every tenant
EVERYBODY: Final = UUID(int=2**128 - 1)  # after every tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """A queued delivery, locked, with every fact a guard needs. `fence` is that of the claim before."""

    delivery_id: UUID
    message_id: UUID
    tenant_id: UUID
    test: bool
    stream_id: UUID
    transport_id: UUID
    fence: int
    attempts: int
    at_most_once: bool
    cancel_requested: bool
    suspect: bool
    crashes: int
    expires_at: datetime
    stream: str
    stream_paused: bool
    stream_rate: float | None
    configuration_set: str
    sensitive: bool
    tenant_paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRecipient:
    """A recipient that the delivery is still for."""

    id: UUID
    delivery_id: UUID
    kind: str
    address: str
    name: str


_COLUMNS = """d.id, d.message_id, d.tenant_id, d.test, d.stream_id, d.transport_id, d.fence, d.attempts,
    d.at_most_once, d.cancel_requested, d.suspect, d.crashes, d.expires_at, s.name, s.paused, s.rate_per_second,
    s.configuration_set, s.sensitive, (t.paused OR t.status <> 'active')"""
_FACTS = """JOIN emails_stream s ON s.id = d.stream_id JOIN tenants_tenant t ON t.id = d.tenant_id"""
_LANE = "state = 'queued' AND NOT suspect AND priority = %s AND transport_id = %s"

# One index hop per transport; a suspect's lane is one too.
_LANES = """
WITH RECURSIVE lane (transport_id) AS (
    SELECT (SELECT transport_id FROM emails_delivery
             WHERE state = 'queued' AND NOT suspect AND priority = %s ORDER BY transport_id LIMIT 1)
  UNION ALL
    SELECT (SELECT transport_id FROM emails_delivery
             WHERE state = 'queued' AND NOT suspect AND priority = %s AND transport_id > lane.transport_id
             ORDER BY transport_id LIMIT 1)
      FROM lane WHERE lane.transport_id IS NOT NULL)
SELECT transport_id FROM lane WHERE transport_id IS NOT NULL
 UNION SELECT transport_id FROM emails_delivery WHERE state = 'queued' AND suspect AND priority = %s
 ORDER BY transport_id"""

# One index hop per tenant, not one per row: a backlog of one tenant costs the others nothing.
_RING = f"""
WITH RECURSIVE ring (tenant_id) AS (
    SELECT (SELECT tenant_id FROM emails_delivery
             WHERE {_LANE} AND tenant_id > %s ORDER BY tenant_id LIMIT 1)
  UNION ALL
    SELECT (SELECT tenant_id FROM emails_delivery
             WHERE {_LANE} AND tenant_id > ring.tenant_id ORDER BY tenant_id LIMIT 1)
      FROM ring WHERE ring.tenant_id IS NOT NULL)"""
_WAITING = (
    f"{_RING} SELECT count(*) FROM (SELECT 1 FROM ring WHERE tenant_id IS NOT NULL LIMIT %s) AS waiting"
)
_TURN = """
turn AS (SELECT tenant_id FROM ring WHERE tenant_id IS NOT NULL AND tenant_id <= %s LIMIT %s)"""
_SHARE = """
        SELECT {columns} FROM emails_delivery x
         WHERE x.state = 'queued' AND NOT x.suspect AND x.priority = %s AND x.transport_id = %s
           AND x.tenant_id = turn.tenant_id ORDER BY x.due_at LIMIT %s"""
# SQLite has one writer, who needs no lock. PostgreSQL locks what it picks, steps over what others have locked, and goes
# on with the rows as they are once locked: those of the statement's snapshot may be older.
_PICKED = {
    "sqlite": f"""
picked AS (SELECT d.* FROM turn CROSS JOIN emails_delivery d WHERE d.id IN ({_SHARE.format(columns="x.id")}))""",
    "postgresql": f"""
picked AS MATERIALIZED (
    SELECT own.* FROM turn CROSS JOIN LATERAL ({_SHARE.format(columns="x.*")} FOR UPDATE SKIP LOCKED) own)""",
}
_FAIR_BATCH = {
    vendor: f"{_RING},{_TURN},{picked} SELECT {_COLUMNS} FROM picked d {_FACTS} ORDER BY d.due_at LIMIT %s"
    for vendor, picked in _PICKED.items()
}

_SUSPECT = f"""
SELECT {_COLUMNS} FROM emails_delivery d {_FACTS}
 WHERE d.state = 'queued' AND d.suspect AND d.priority = %s AND {{these}}
 ORDER BY d.due_at LIMIT 1"""
_LOCK = {"sqlite": "", "postgresql": " FOR UPDATE OF d SKIP LOCKED"}


def lanes(priority: Priority) -> list[UUID]:
    """The transports that have queued mail of this priority. Takes no lock: an idle worker disturbs nobody."""
    return [read_uuid(row[0]) for row in run(_LANES, [int(priority)] * 3)]


def pick(*, priority: Priority, transport_id: UUID, after_tenant: UUID, limit: int) -> list[Picked]:
    """A fair batch of one lane, locked: tenants in turn from `after_tenant`, each with an equal share.

    Call inside the transaction of `journal`. Crosses tenants by design.
    """
    share = limit // max(1, _tenants_waiting(priority, transport_id, limit))
    picked = _pick_between(priority, transport_id, after_tenant, EVERYBODY, limit, share)
    if len(picked) < limit and after_tenant != NOBODY:  # close the ring
        picked += _pick_between(priority, transport_id, NOBODY, after_tenant, limit - len(picked), share)
    if len(picked) < limit and max(Counter(row.tenant_id for row in picked).values(), default=0) == share:
        picked += _left_over(priority, transport_id, limit, picked)
    return picked


def _left_over(priority: Priority, transport_id: UUID, limit: int, picked: Sequence[Picked]) -> list[Picked]:
    """The oldest of those who have more than their share, for places that nobody else needs."""
    known = {row.delivery_id for row in picked}
    more = _pick_between(priority, transport_id, NOBODY, EVERYBODY, limit, limit)
    return [row for row in more if row.delivery_id not in known][: limit - len(picked)]


def pick_suspect(priority: Priority, transport_ids: Collection[UUID]) -> list[Picked]:
    """At most one delivery of these transports that may have ended its process before; it is claimed alone."""
    these, ids = any_of("d.transport_id", Delivery, "transport_id", transport_ids)
    sql = _SUSPECT.format(these=these) + _LOCK[connection.vendor]
    return [_picked(row) for row in run(sql, [int(priority), *ids])]


def _tenants_waiting(priority: Priority, transport_id: UUID, limit: int) -> int:
    """How many tenants have mail in the lane, counted up to `limit`."""
    transport, nobody = adapted(Delivery, "id", (transport_id, NOBODY))
    lane = [int(priority), transport]
    return int(run(_WAITING, [*lane, nobody, *lane, limit])[0][0])


def _pick_between(
    priority: Priority, transport_id: UUID, after: UUID, upto: UUID, limit: int, share: int
) -> list[Picked]:
    transport, start, end = adapted(Delivery, "id", (transport_id, after, upto))
    lane = [int(priority), transport]
    parameters = [*lane, start, *lane, end, limit, *lane, share, limit]
    return [_picked(row) for row in run(_FAIR_BATCH[connection.vendor], parameters)]


def _picked(row: Sequence[Any]) -> Picked:
    return Picked(
        delivery_id=read_uuid(row[0]),
        message_id=read_uuid(row[1]),
        tenant_id=read_uuid(row[2]),
        test=bool(row[3]),
        stream_id=read_uuid(row[4]),
        transport_id=read_uuid(row[5]),
        fence=row[6],
        attempts=row[7],
        at_most_once=bool(row[8]),
        cancel_requested=bool(row[9]),
        suspect=bool(row[10]),
        crashes=row[11],
        expires_at=read_time(row[12]),
        stream=row[13],
        stream_paused=bool(row[14]),
        stream_rate=row[15],
        configuration_set=row[16],
        sensitive=bool(row[17]),
        tenant_paused=bool(row[18]),
    )


def pending_recipients(delivery_ids: Sequence[UUID]) -> list[PendingRecipient]:
    """The recipients of these deliveries that nothing has happened to yet, in the order of the envelope."""
    if not delivery_ids:
        return []
    these, ids = any_of("delivery_id", Delivery, "id", delivery_ids)
    rows = run(
        f"SELECT id, delivery_id, kind, address, name FROM emails_recipient WHERE {these} AND rank = 0"
        " ORDER BY position",
        ids,
    )
    return [
        PendingRecipient(
            id=read_uuid(id_), delivery_id=read_uuid(delivery_id), kind=kind, address=address, name=name
        )
        for id_, delivery_id, kind, address, name in rows
    ]


def cancel_requested(delivery_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these deliveries that their tenant wants stopped."""
    rows = Delivery.across_tenants.filter(pk__in=delivery_ids, cancel_requested=True)
    return set(rows.values_list("pk", flat=True))


def journal(picked: Sequence[Picked], *, now: datetime) -> None:
    """To `sending` under a lease, fence raised, with one attempt `started` each: before any byte leaves."""
    if not picked:
        return
    these, ids = any_of("id", Delivery, "id", [row.delivery_id for row in picked])
    (lease_until,) = adapted(Delivery, "lease_until", [now + timedelta(seconds=LEASE_SECONDS)])
    run(
        "UPDATE emails_delivery SET state = 'sending', fence = fence + 1, attempts = attempts + 1,"
        f" lease_until = %s WHERE {these}",
        [lease_until, *ids],
    )
    insert_rows(
        Attempt,
        (
            "id",
            "delivery_id",
            "fence",
            "outcome",
            "settled_by",
            "at",
            "provider_message_id",
            "error_class",
            "error_code",
            "error_message",
        ),
        [
            (uuid7(), row.delivery_id, row.fence + 1, AttemptOutcome.STARTED.value, "", now, "", "", "", "")
            for row in picked
        ],
    )
