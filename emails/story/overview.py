"""What an operator wants to know first, in seven queries, none of which grows with the number of messages kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection

from emails.messages.lifecycle import OPEN
from emails.messages.models import Attempt, Message
from mailgrid.core.models import Pulse
from mailgrid.core.sql import adapted, read_time
from mailgrid.core.vocabulary import Status

CAP: Final = 200_000  # rows that one number looks at; more is told as "200,000+"
NOT_DELIVERED: Final = (Status.FAILED, Status.REJECTED, Status.BOUNCED, Status.EXPIRED, Status.UNKNOWN)
SILENT_AFTER: Final = timedelta(seconds=30)  # a sweep runs every second
LATE_AFTER: Final = timedelta(minutes=5)
_FAILURES_SHOWN: Final = 8
_LOOKED_THROUGH: Final = 10_000  # newest messages, for failures among them


@dataclass(frozen=True, slots=True)
class Number:
    """A count of what there is, up to `CAP`."""

    value: int

    def __str__(self) -> str:
        return f"{CAP:,}+" if self.value >= CAP else f"{self.value:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The mail of every tenant. "Today" begins at midnight, UTC.

    `waited` is how long the oldest delivery that could leave has been waiting. `silent` means that no sweep has run
    lately, `late` that mail waits too long.
    """

    accepted: Number
    sent: Number
    failed: Number
    waiting: Mapping[Status, Number]
    waited: timedelta | None
    late: bool
    last_sweep: datetime | None
    silent: bool
    failures: list[Message]


def overview(*, now: datetime) -> Overview:
    """The numbers of this moment."""
    midnight = _first_id(now.replace(hour=0, minute=0, second=0, microsecond=0))
    messages = _today(Message, "status", midnight)
    attempts = _today(Attempt, "outcome", midnight)
    waited = _waited(now)
    pulse = Pulse.objects.filter(name="sweep").first()
    return Overview(
        accepted=Number(sum(messages.values())),
        sent=Number(attempts.get(Status.SENT, 0)),
        failed=Number(sum(messages.get(status, 0) for status in NOT_DELIVERED)),
        waiting=_waiting(),
        waited=waited,
        late=waited is not None and waited > LATE_AFTER,
        last_sweep=pulse.at if pulse else None,
        silent=pulse is None or now - pulse.at > SILENT_AFTER,
        failures=_failures(),
    )


def _first_id(moment: datetime) -> UUID:
    """The smallest UUIDv7 of that millisecond (RFC 9562, 5.7): rows made since have larger keys."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def _today(model: type[Message] | type[Attempt], column: str, since: UUID) -> dict[str, int]:
    """How many of the newest rows have which word, by the primary key."""
    return _counts(
        f"SELECT {column} FROM {model._meta.db_table} WHERE id >= %s ORDER BY id DESC LIMIT {CAP}",
        adapted(model, "id", [since]),
    )


def _waiting() -> dict[Status, Number]:
    """Open deliveries by state. The words are part of the statement: partial indexes serve no parameters."""
    counted = _counts(
        "SELECT * FROM (SELECT state FROM emails_delivery"
        f" WHERE state IN ('scheduled', 'queued', 'deferred', 'held') LIMIT {CAP}) AS waiting"
        " UNION ALL SELECT * FROM (SELECT state FROM emails_delivery"
        f" WHERE state IN ('sending', 'in_doubt') LIMIT {CAP}) AS claimed",
        [],
    )
    return {status: Number(counted.get(status, 0)) for status in OPEN}


def _counts(words: str, parameters: list[Any]) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH words (word) AS ({words}) SELECT word, COUNT(*) FROM words GROUP BY word", parameters
        )
        return dict(cursor.fetchall())


def _waited(now: datetime) -> timedelta | None:
    """By the two partial indexes of queued deliveries."""
    oldest = []
    with connection.cursor() as cursor:
        for suspect in ("NOT suspect", "suspect"):
            cursor.execute(
                f"SELECT due_at FROM emails_delivery WHERE state = 'queued' AND {suspect} ORDER BY due_at LIMIT 1"
            )
            oldest += [read_time(due_at) for (due_at,) in cursor.fetchall()]
    return max(timedelta(0), now - min(oldest)) if oldest else None


def _failures() -> list[Message]:
    newest = Message.across_tenants.order_by("-pk").values("pk")[:_LOOKED_THROUGH]
    failed = Message.across_tenants.filter(pk__in=newest, status__in=NOT_DELIVERED)
    rows = failed.select_related("tenant").only("subject", "to", "status", "created_at", "tenant__name")
    return list(rows.order_by("-pk")[:_FAILURES_SHOWN])
