"""Apply moves: deliveries, their attempts and recipients, and the projection of their messages' status.

One statement per table, whatever the number of moves. Zero rows changed means somebody else decided; that is no error.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from django.db import connection

from emails.messages.lifecycle import PRECEDENCE, RANKS, TERMINAL
from emails.messages.models import Attempt, Delivery, Message, Recipient
from emails.messages.moves import AttemptOutcome, Move, Split
from mailgrid.core import metrics
from mailgrid.core.sql import any_of, read_uuid, run, storable, values_table
from mailgrid.core.vocabulary import Status


@dataclass(frozen=True, slots=True)
class Changed:
    """A recipient whose story got a new line, and the move that wrote it."""

    recipient_id: UUID
    move: Move


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a batch of moves: how many deliveries moved, and which recipients that changed."""

    deliveries: int
    changed: list[Changed]


def apply(moves: Sequence[Move], *, now: datetime) -> Applied:
    """Apply the moves that still can be applied. Call inside a transaction.

    A late answer of an old fence is kept in its attempt, and can only raise the delivery to `sent`. Deliveries are
    locked first, and in the order of their ids, as `feedback` does: whoever comes second waits there, and nowhere else.
    """
    if not moves:
        return Applied(0, [])
    moves = sorted(
        moves, key=lambda move: move.delivery_id.int
    )  # a UUID's own comparison is ten times as slow
    moved = _move_deliveries(moves)
    late = [move for move in moves if move.delivery_id not in moved and move.to == Status.SENT]
    moved |= _prove_sent(late)
    _settle_attempts([move for move in moves if move.attempt], now=now)
    effective = {move.delivery_id: move for move in moves if move.delivery_id in moved}
    changed = _move_recipients(effective, now=now)
    project(effective.values())
    return Applied(len(effective), changed)


def _move_deliveries(moves: Sequence[Move]) -> set[UUID]:
    columns = {
        "id": "id",
        "fence": "fence",
        "source": "state",
        "target": "state",
        "due": "due_at",
        "hold_reason": "hold_reason",
        "uncounted": "attempts",
        "suspect": "suspect",
        "crashes": "crashes",
    }
    rows = [
        (
            move.delivery_id,
            move.fence,
            move.source.value,
            move.to.value,
            move.due_at,
            move.reason if move.to == Status.HELD else "",
            int(move.uncounted),
            move.suspect,
            move.crashes,
        )
        for move in moves
    ]
    table, parameters = values_table("v", Delivery, columns, rows)
    sql = f"""WITH {table}
        UPDATE emails_delivery SET state = v.target, due_at = coalesce(v.due, due_at), hold_reason = v.hold_reason,
               attempts = attempts - v.uncounted, suspect = v.suspect, crashes = v.crashes, lease_until = NULL
          FROM v WHERE emails_delivery.id = v.id AND emails_delivery.fence = v.fence
           AND emails_delivery.state = v.source
        RETURNING emails_delivery.id"""
    return {read_uuid(row[0]) for row in run(sql, parameters)}


def _prove_sent(moves: Sequence[Move]) -> set[UUID]:
    """Proof ignores the fence of the delivery: it names its own attempt."""
    if not moves:
        return set()
    these, ids = any_of("id", Delivery, "id", [move.delivery_id for move in moves])
    rows = run(
        "UPDATE emails_delivery SET state = 'sent', hold_reason = '', lease_until = NULL, suspect = %s,"
        f" crashes = 0 WHERE {these} AND state <> 'sent' RETURNING id",
        [False, *ids],
    )
    proved = {read_uuid(row[0]) for row in rows}
    metrics.late_proof.inc(len(proved))
    return proved


_ATTEMPT: Final = {
    "delivery_id": "delivery_id",
    "fence": "fence",
    "outcome": "outcome",
    "settled_by": "settled_by",
    "ended_at": "ended_at",
    "provider_message_id": "provider_message_id",
    "error_class": "error_class",
    "error_code": "error_code",
    "error_message": "error_message",
}
_UNDECIDED: Final = (AttemptOutcome.STARTED.value, AttemptOutcome.IN_DOUBT.value)


def _settle_attempts(moves: Sequence[Move], *, now: datetime) -> None:
    if not moves:
        return
    rows = [
        (
            move.delivery_id,
            move.fence,
            attempt.outcome.value,
            attempt.settled_by.value if attempt.settled_by else "",
            now,
            storable(attempt.provider_message_id)[:255],
            attempt.error_class,
            storable(attempt.error_code)[:100],
            storable(attempt.error_message)[:1000],
        )
        for move in moves
        if (attempt := move.attempt)
    ]
    table, parameters = values_table("v", Attempt, _ATTEMPT, rows)
    assignments = ", ".join(f"{name} = v.{name}" for name in list(_ATTEMPT)[2:])
    run(
        f"""WITH {table} UPDATE emails_attempt SET {assignments} FROM v
             WHERE emails_attempt.delivery_id = v.delivery_id AND emails_attempt.fence = v.fence
               AND emails_attempt.outcome IN (%s, %s)""",
        [*parameters, *_UNDECIDED],
    )


# A recipient that was refused while others of its delivery were taken: what proves the sending is about the others.
REFUSED_APART: Final = 25


def _move_recipients(moves: dict[UUID, Move], *, now: datetime) -> list[Changed]:
    whole = [move for move in moves.values() if move.split is None]
    ended = [(move.delivery_id, move, RANKS[move.to]) for move in whole if move.to in TERMINAL]
    held = [move.delivery_id for move in whole if move.to == Status.HELD]
    changed = [
        Changed(recipient_id, moves[delivery_id])
        for recipient_id, delivery_id in _end(ended, key="delivery_id", now=now)
    ]
    if held:
        pending = Recipient.across_tenants.filter(delivery_id__in=held, rank=0)
        changed += [Changed(pk, moves[delivery]) for pk, delivery in pending.values_list("pk", "delivery_id")]
    return changed + _part({key: move.split for key, move in moves.items() if move.split}, now=now)


def _part(splits: Mapping[UUID, Split], *, now: datetime) -> list[Changed]:
    """Recipients that do not go their delivery's way: each by its own move."""
    if not splits:
        return []
    found = Recipient.across_tenants.filter(delivery_id__in=list(splits))
    ended = {}
    for recipient_id, delivery_id, address in found.values_list("pk", "delivery_id", "address"):
        split = splits[delivery_id]
        move = split.named.get(address, split.others)
        if move.to in TERMINAL:
            rank = REFUSED_APART if address in split.named else RANKS[move.to]
            ended[recipient_id] = (recipient_id, move, rank)
    return [Changed(pk, ended[pk][1]) for pk, _ in _end(list(ended.values()), key="id", now=now)]


def _end(
    steps: Sequence[tuple[UUID, Move, int]], *, key: Literal["id", "delivery_id"], now: datetime
) -> list[tuple[UUID, UUID]]:
    """Lift recipients, found by `key`, to a step's state and rank; the ids of those changed, and their deliveries'."""
    if not steps:
        return []
    columns = {"key": key, "status": "status", "rank": "rank", "reason": "reason", "at": "status_at"}
    rows = [(found_by, move.to.value, rank, move.reason[:32], now) for found_by, move, rank in steps]
    table, parameters = values_table("v", Recipient, columns, rows)
    sql = f"""WITH {table}
        UPDATE emails_recipient SET status = v.status, rank = v.rank, reason = v.reason, status_at = v.at
          FROM v WHERE emails_recipient.{key} = v.key AND emails_recipient.rank < v.rank
        RETURNING emails_recipient.id, emails_recipient.delivery_id"""
    return [(read_uuid(recipient), read_uuid(delivery)) for recipient, delivery in run(sql, parameters)]


_PRECEDENCE_SQL: Final = " ".join(f"WHEN '{status}' THEN {place}" for place, status in enumerate(PRECEDENCE))
# What is being sent counts as queued, which it was before: a claim writes no message (`Message.current_status`).
_SAID: Final = (
    """CASE WHEN r.rank > 0 THEN r.status WHEN d.state = 'sending' THEN 'queued' ELSE d.state END"""
)
STATUS_SQL: Final = f"""(
    SELECT {_SAID} FROM emails_recipient r JOIN emails_delivery d ON d.id = r.delivery_id
     WHERE r.message_id = emails_message.id ORDER BY CASE {_SAID} {_PRECEDENCE_SQL} END LIMIT 1)"""


def project(moves: Iterable[Move]) -> None:
    """Write what the recipients now say into their messages' status, and the provider's id where a move brought one."""
    ids = {move.message_id: "" for move in moves}
    ids |= {
        move.message_id: move.attempt.provider_message_id
        for move in moves
        if move.attempt and move.attempt.provider_message_id
    }
    project_messages(ids)


def project_messages(provider_ids: dict[UUID, str]) -> None:
    """The same by message id; an empty provider id leaves the stored one."""
    if not provider_ids:
        return
    _lock_messages(provider_ids)
    columns = {"id": "id", "provider_id": "provider_message_id"}
    rows = sorted(provider_ids.items(), key=lambda item: item[0].int)
    table, parameters = values_table("v", Message, columns, rows)
    run(
        f"""WITH {table} UPDATE emails_message SET status = {STATUS_SQL},
            provider_message_id = CASE WHEN v.provider_id = '' THEN provider_message_id ELSE v.provider_id END
            FROM v WHERE emails_message.id = v.id""",
        parameters,
    )


def _lock_messages(ids: Iterable[UUID]) -> None:
    """Copies of one message settle side by side: whoever comes second must see what the first one wrote.

    An UPDATE that waited for the row would still ask its subquery in the snapshot from before. SQLite has one writer.
    """
    if connection.vendor != "sqlite":
        these, values = any_of("id", Message, "id", ids)
        run(f"SELECT id FROM emails_message WHERE {these} ORDER BY id FOR NO KEY UPDATE", values)


def suppress_recipients(reasons: dict[UUID, str], *, now: datetime) -> None:
    """Take single pending recipients out of their envelope."""
    if not reasons:
        return
    columns = {"id": "id", "reason": "reason", "at": "status_at"}
    table, parameters = values_table("v", Recipient, columns, [(pk, why, now) for pk, why in reasons.items()])
    run(
        f"""WITH {table} UPDATE emails_recipient SET status = 'suppressed', rank = %s, reason = v.reason,
            status_at = v.at FROM v WHERE emails_recipient.id = v.id AND emails_recipient.rank = 0""",
        [*parameters, RANKS[Status.SUPPRESSED]],
    )
