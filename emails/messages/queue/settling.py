"""Apply moves: deliveries, their attempts and recipients, and the projection of their messages' status.

One statement per table, whatever the number of moves. Zero rows changed means somebody else decided; that is no error.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import connection

from emails.messages.lifecycle import PRECEDENCE, RANKS, TERMINAL
from emails.messages.models import Attempt, Delivery, Message, Recipient
from emails.messages.moves import AttemptOutcome, Move
from mailgrid.core import metrics
from mailgrid.core.sql import adapted, holes, read_uuid, values_table
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

    A late answer of an old fence is kept in its attempt, and can only raise the delivery to `sent`.
    """
    if not moves:
        return Applied(0, [])
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
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return {read_uuid(row[0]) for row in cursor.fetchall()}


def _prove_sent(moves: Sequence[Move]) -> set[UUID]:
    """Proof ignores the fence of the delivery: it names its own attempt."""
    if not moves:
        return set()
    ids = adapted(Delivery, "id", (move.delivery_id for move in moves))
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE emails_delivery SET state = 'sent', hold_reason = '', lease_until = NULL, suspect = %s,"
            f" crashes = 0 WHERE id IN ({holes(ids)}) AND state <> 'sent' RETURNING id",
            [False, *ids],
        )
        proved = {read_uuid(row[0]) for row in cursor.fetchall()}
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
            attempt.provider_message_id[:255],
            attempt.error_class,
            attempt.error_code[:100],
            attempt.error_message[:1000],
        )
        for move in moves
        if (attempt := move.attempt)
    ]
    table, parameters = values_table("v", Attempt, _ATTEMPT, rows)
    assignments = ", ".join(f"{name} = v.{name}" for name in list(_ATTEMPT)[2:])
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH {table} UPDATE emails_attempt SET {assignments} FROM v
                 WHERE emails_attempt.delivery_id = v.delivery_id AND emails_attempt.fence = v.fence
                   AND emails_attempt.outcome IN (%s, %s)""",
            [*parameters, *_UNDECIDED],
        )


def _move_recipients(moves: dict[UUID, Move], *, now: datetime) -> list[Changed]:
    ended = [move for move in moves.values() if move.to in TERMINAL]
    held = [move.delivery_id for move in moves.values() if move.to == Status.HELD]
    changed = [
        Changed(recipient_id, moves[delivery_id]) for recipient_id, delivery_id in _end(ended, now=now)
    ]
    if held:
        pending = Recipient.across_tenants.filter(delivery_id__in=held, rank=0)
        changed += [Changed(pk, moves[delivery]) for pk, delivery in pending.values_list("pk", "delivery_id")]
    return changed


def _end(moves: Sequence[Move], *, now: datetime) -> list[tuple[UUID, UUID]]:
    if not moves:
        return []
    columns = {
        "delivery_id": "delivery_id",
        "status": "status",
        "rank": "rank",
        "reason": "reason",
        "at": "status_at",
    }
    rows = [(m.delivery_id, m.to.value, RANKS[m.to], m.reason[:32], now) for m in moves]
    table, parameters = values_table("v", Recipient, columns, rows)
    sql = f"""WITH {table}
        UPDATE emails_recipient SET status = v.status, rank = v.rank, reason = v.reason, status_at = v.at
          FROM v WHERE emails_recipient.delivery_id = v.delivery_id AND emails_recipient.rank < v.rank
        RETURNING emails_recipient.id, emails_recipient.delivery_id"""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [(read_uuid(row[0]), read_uuid(row[1])) for row in cursor.fetchall()]


_PRECEDENCE_SQL: Final = " ".join(f"WHEN '{status}' THEN {place}" for place, status in enumerate(PRECEDENCE))
_STATUS_SQL: Final = f"""(
    SELECT CASE WHEN r.rank = 0 THEN d.state ELSE r.status END
      FROM emails_recipient r JOIN emails_delivery d ON d.id = r.delivery_id
     WHERE r.message_id = emails_message.id
     ORDER BY CASE CASE WHEN r.rank = 0 THEN d.state ELSE r.status END {_PRECEDENCE_SQL} END LIMIT 1)"""


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
    columns = {"id": "id", "provider_id": "provider_message_id"}
    table, parameters = values_table("v", Message, columns, list(provider_ids.items()))
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH {table} UPDATE emails_message SET status = {_STATUS_SQL},
                provider_message_id = CASE WHEN v.provider_id = '' THEN provider_message_id ELSE v.provider_id END
                FROM v WHERE emails_message.id = v.id""",
            parameters,
        )


def suppress_recipients(reasons: dict[UUID, str], *, now: datetime) -> None:
    """Take single pending recipients out of their envelope."""
    if not reasons:
        return
    columns = {"id": "id", "reason": "reason", "at": "status_at"}
    table, parameters = values_table("v", Recipient, columns, [(pk, why, now) for pk, why in reasons.items()])
    with connection.cursor() as cursor:
        cursor.execute(
            f"""WITH {table} UPDATE emails_recipient SET status = 'suppressed', rank = %s, reason = v.reason,
                status_at = v.at FROM v WHERE emails_recipient.id = v.id AND emails_recipient.rank = 0""",
            [*parameters, RANKS[Status.SUPPRESSED]],
        )
