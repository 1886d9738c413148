"""The claim: which lanes have work, a fair batch of one lane, and its way to `sending` with the attempts journalled."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection

from emails.messages.models import Attempt, Delivery
from mailgrid.core.bells import Priority
from mailgrid.core.durations import scaled
from mailgrid.core.ids import uuid7
from mailgrid.core.sql import adapted, any_of, read_time, read_uuid, run, values_table

LEASE_SECONDS: Final = scaled(90)  # above compose 10 s + connect 3 s + read 20 s, with room for a batch
NOBODY: Final = UUID(int=0)  # before every tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """What has queued mail of one priority, as of the database's time, where it keeps one."""

    transports: list[UUID]
    with_suspects: set[UUID]
    asked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """A queued delivery, locked, with every fact a guard needs. `fence` is that of the claim before."""

    delivery_id: UUID
    message_id: UUID
    tenant_id: UUID
    test: bool
    stream_id: UUID
    transport_id: UUID
    priority: int
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


_COLUMNS = """d.id, d.message_id, d.tenant_id, d.test, d.stream_id, d.transport_id, d.priority, d.fence, d.attempts,
    d.at_most_once, d.cancel_requested, d.suspect, d.crashes, d.expires_at, s.name, s.paused, s.rate_per_second,
    s.configuration_set, s.sensitive, (t.paused OR t.status <> 'active')"""
_FACTS = """JOIN emails_stream s ON s.id = d.stream_id JOIN tenants_tenant t ON t.id = d.tenant_id"""
_LANE = "state = 'queued' AND NOT suspect AND priority = %s AND transport_id = %s"

# One index hop per transport; suspects, who are few, are told apart. The time is asked for here to spare a question.
_LANES = """
WITH RECURSIVE lane (transport_id) AS (
    SELECT (SELECT transport_id FROM emails_delivery
             WHERE state = 'queued' AND NOT suspect AND priority = %s ORDER BY transport_id LIMIT 1)
  UNION ALL
    SELECT (SELECT transport_id FROM emails_delivery
             WHERE state = 'queued' AND NOT suspect AND priority = %s AND transport_id > lane.transport_id
             ORDER BY transport_id LIMIT 1)
      FROM lane WHERE lane.transport_id IS NOT NULL)
SELECT transport_id, FALSE, {time} FROM lane WHERE transport_id IS NOT NULL
 UNION SELECT transport_id, TRUE, {time} FROM emails_delivery WHERE state = 'queued' AND suspect AND priority = %s"""
_LANES_NOW = {
    "sqlite": _LANES.format(time="NULL"),
    "postgresql": _LANES.format(time="statement_timestamp()"),
}

# One index hop per tenant, not one per row: a backlog of one tenant costs the others nothing. The ring begins behind a
# tenant, and after the last one goes on with the first, up to where it began.
_RING = f"""
WITH RECURSIVE ring (tenant_id, lap) AS (
    SELECT (SELECT tenant_id FROM emails_delivery
             WHERE {_LANE} AND tenant_id > %s ORDER BY tenant_id LIMIT 1), 1
  UNION ALL
    SELECT (SELECT tenant_id FROM emails_delivery
             WHERE {_LANE} AND tenant_id > coalesce(ring.tenant_id, %s) ORDER BY tenant_id LIMIT 1),
           CASE WHEN ring.tenant_id IS NULL THEN 2 ELSE ring.lap END
      FROM ring WHERE (ring.lap = 1 OR ring.tenant_id < %s)),
turn AS (SELECT tenant_id FROM ring WHERE tenant_id IS NOT NULL AND (lap = 1 OR tenant_id <= %s) LIMIT %s)"""
_SHARE = """
        SELECT {columns} FROM emails_delivery x
         WHERE x.state = 'queued' AND NOT x.suspect AND x.priority = %s AND x.transport_id = %s
           AND x.tenant_id = turn.tenant_id ORDER BY x.due_at LIMIT (SELECT %s / count(*) + %s FROM turn)"""
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
    vendor: f"""{_RING},{picked}
SELECT {_COLUMNS}, (SELECT count(*) FROM turn) FROM picked d {_FACTS} ORDER BY d.due_at"""
    for vendor, picked in _PICKED.items()
}

_SUSPECT = f"""
SELECT {_COLUMNS} FROM emails_delivery d {_FACTS}
 WHERE d.state = 'queued' AND d.suspect AND d.priority = %s AND {{these}}
 ORDER BY d.due_at LIMIT 1"""
_LOCK = {"sqlite": "", "postgresql": " FOR UPDATE OF d SKIP LOCKED"}


def lanes(priority: Priority) -> Lanes | None:
    """Where mail of this priority is queued; None when it is nowhere. Takes no lock: an idle worker disturbs nobody."""
    rows = run(_LANES_NOW[connection.vendor], [int(priority)] * 3)
    if not rows:
        return None
    asked_at = rows[0][2]
    return Lanes(
        transports=sorted({read_uuid(row[0]) for row in rows}),
        with_suspects={read_uuid(row[0]) for row in rows if row[1]},
        asked_at=asked_at and asked_at.astimezone(UTC),
    )


def pick(*, priority: Priority, transport_id: UUID, after_tenant: UUID, limit: int) -> list[Picked]:
    """A fair batch of one lane, locked: tenants in turn from `after_tenant`, each with an equal share.

    Call inside the transaction of `journal`. Crosses tenants by design.
    """
    rows = _in_turn(priority, transport_id, after_tenant, limit)
    picked = [_picked(row) for row in rows]
    missing = limit - len(picked)
    if missing and picked:
        share = limit // rows[0][-1]
        if max(Counter(row.tenant_id for row in picked).values()) == share:  # somebody has more
            picked += _left_over(priority, transport_id, after_tenant, limit, missing, picked)
    return picked


def _left_over(
    priority: Priority, transport_id: UUID, start: UUID, limit: int, missing: int, picked: Sequence[Picked]
) -> list[Picked]:
    """The oldest of those who have more than their share, for places that nobody else needs."""
    known = {row.delivery_id for row in picked}
    more = map(_picked, _in_turn(priority, transport_id, start, limit, beyond=missing))
    return [row for row in more if row.delivery_id not in known][:missing]


def _in_turn(
    priority: Priority, transport_id: UUID, start: UUID, limit: int, *, beyond: int = 0
) -> list[tuple[Any, ...]]:
    """Up to `limit` tenants' shares, and so many rows beyond each; behind the columns, how many tenants there are."""
    transport, after, nobody = adapted(Delivery, "id", (transport_id, start, NOBODY))
    lane = [int(priority), transport]
    parameters = [*lane, after, *lane, nobody, after, after, limit, *lane, limit, beyond]
    return run(_FAIR_BATCH[connection.vendor], parameters)


def pick_suspect(priority: Priority, transport_ids: Collection[UUID]) -> list[Picked]:
    """At most one delivery of these transports that may have ended its process before; it is claimed alone."""
    these, ids = any_of("d.transport_id", Delivery, "transport_id", transport_ids)
    sql = _SUSPECT.format(these=these) + _LOCK[connection.vendor]
    return [_picked(row) for row in run(sql, [int(priority), *ids])]


def _picked(row: Sequence[Any]) -> Picked:
    return Picked(
        delivery_id=read_uuid(row[0]),
        message_id=read_uuid(row[1]),
        tenant_id=read_uuid(row[2]),
        test=bool(row[3]),
        stream_id=read_uuid(row[4]),
        transport_id=read_uuid(row[5]),
        priority=row[6],
        fence=row[7],
        attempts=row[8],
        at_most_once=bool(row[9]),
        cancel_requested=bool(row[10]),
        suspect=bool(row[11]),
        crashes=row[12],
        expires_at=read_time(row[13]),
        stream=row[14],
        stream_paused=bool(row[15]),
        stream_rate=row[16],
        configuration_set=row[17],
        sensitive=bool(row[18]),
        tenant_paused=bool(row[19]),
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
    columns = {"id": "id", "delivery_id": "delivery_id"}
    table, ids = values_table("v", Attempt, columns, [(uuid7(), row.delivery_id) for row in picked])
    (lease_until,) = adapted(Delivery, "lease_until", [now + timedelta(seconds=LEASE_SECONDS)])
    (at,) = adapted(Attempt, "at", [now])
    if connection.vendor == "postgresql":
        claimed = f"claimed AS ({_CLAIM} RETURNING emails_delivery.id, fence)"
        run(f"WITH {table}, {claimed} {_START.format(claimed='claimed')}", [*ids, lease_until, at])
    else:
        run(f"WITH {table} {_CLAIM}", [*ids, lease_until])
        run(f"WITH {table} {_START.format(claimed='emails_delivery')}", [*ids, at])


_CLAIM: Final = """
    UPDATE emails_delivery SET state = 'sending', fence = fence + 1, attempts = attempts + 1, lease_until = %s
      FROM v WHERE emails_delivery.id = v.delivery_id"""
_START: Final = """
    INSERT INTO emails_attempt (id, delivery_id, fence, outcome, at, settled_by, provider_message_id, error_class,
                                error_code, error_message)
    SELECT v.id, v.delivery_id, claimed.fence, 'started', %s, '', '', '', '', ''
      FROM v JOIN {claimed} AS claimed ON claimed.id = v.delivery_id"""
