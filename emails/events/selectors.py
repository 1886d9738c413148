"""Read events: for pullers, for one message, and with everything their wire form tells."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import BigIntegerField, BooleanField, Count, F, Func, Q, QuerySet, TextField, Value
from django.db.models.lookups import Exact, GreaterThan, LessThan

from emails.events.models import Event
from emails.events.payloads import Header, ToldEvent
from emails.messages import content as contents
from emails.messages.models import Message
from emails.messages.wire import message_id as message_id_of
from mailgrid.core.errors import InvalidParameter, NotFound
from mailgrid.core.ids import parse_uuid
from mailgrid.core.vocabulary import EventType
from mailgrid.http.query import Page


class EventNotFound(NotFound):
    """No event of this id in the tenant and mode."""


class EmailNotFound(NotFound):
    """No message of this id in the tenant and mode."""


class UnknownCursor(InvalidParameter):
    """A page is to go on from an event that is not there: never was, or older than retention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """What a list of events is narrowed to; None and empty let all through.

    `types` are full words (`email.bounced`), `streams` ids or names, `tags` pairs of a name and a value or
    None for any. `since` is inclusive and `until` exclusive, both of the time at which it happened.
    """

    types: Sequence[str] = ()
    email: str | None = None
    email_id: UUID | None = None
    broadcast_id: UUID | None = None
    streams: Sequence[str] = ()
    tags: Sequence[tuple[str, str | None]] = ()
    since: datetime | None = None
    until: datetime | None = None


def listed(wanted: EventFilter, page: Page, *, oldest_first: bool) -> tuple[list[ToldEvent], bool]:
    """A page of the events in scope, and whether more follow in its direction; raises `UnknownCursor`.

    Who goes on from the last one, oldest first, misses none: what an open transaction may still get in front of waits.
    A constant number of queries, whatever the page holds.
    """
    rows = _filtered(wanted)
    shown, more = _page(_final(rows) if oldest_first else rows, page, oldest_first=oldest_first)
    return told(shown), more


def of_email(email_id: str, page: Page) -> tuple[list[ToldEvent], bool]:
    """What happened to one message, oldest first; raises `EmailNotFound` and `UnknownCursor`."""
    message_id = parse_uuid(email_id)
    if not Message.objects.filter(pk=message_id).exists():
        raise EmailNotFound("There is no such email.")
    rows, more = _page(_filtered(EventFilter(email_id=message_id)), page, oldest_first=True)
    return told(rows), more


def find(event_id: str) -> ToldEvent:
    """One event in scope; raises `EventNotFound`."""
    rows = list(with_facts(Event.objects.filter(event_id=parse_uuid(event_id))))
    if not rows:
        raise EventNotFound("There is no such event.")
    return told(rows)[0]


def told(rows: Sequence[Event]) -> list[ToldEvent]:
    """Events with all they tell, in order. Rows from `with_facts` cost one query more, for the headers."""
    headers = contents.headers_of({row.message_id for row in rows})
    return [_told(row, headers.get(row.message_id, ())) for row in rows]


def with_facts(rows: QuerySet[Event]) -> QuerySet[Event]:
    """The same events with message, stream and recipient at hand."""
    return rows.select_related("message__stream", "recipient")


def _filtered(wanted: EventFilter) -> QuerySet[Event]:
    rows: QuerySet[Event] = Event.objects.all()
    if wanted.broadcast_id is not None:
        return rows.none()  # no message comes from a broadcast yet
    exact = {
        "type__in": wanted.types,
        "recipient__address__iexact": wanted.email,
        "message": wanted.email_id,
        "occurred_at__gte": wanted.since,
        "occurred_at__lt": wanted.until,
    }
    rows = rows.filter(**{lookup: value for lookup, value in exact.items() if value})
    if wanted.streams:
        ids = [found for text in wanted.streams if (found := parse_uuid(text))]
        rows = rows.filter(Q(message__stream__name__in=wanted.streams) | Q(message__stream__in=ids))
    if wanted.tags:
        rows = rows.filter(_tagged(wanted.tags))
    return rows


class _TagValue(Func):
    """The value of one tag of an event's message.

    Not Django's key transform: on SQLite it takes a name of digits for a place in a list.
    """

    function = "jsonb_extract_path_text"
    output_field = TextField()

    def __init__(self, name: str) -> None:
        super().__init__(F("message__tags"), Value(name))
        self._path = f'$."{name}"'

    def as_sqlite(self, compiler: Any, connection: Any, **_context: Any) -> Any:
        tags = self.get_source_expressions()[0]
        return Func(tags, Value(self._path), function="json_extract").as_sql(compiler, connection)


def _tagged(tags: Sequence[tuple[str, str | None]]) -> Q:
    """Messages with any of the tags, by name or by name and value. A name has no quotes: the API checks."""
    any_of = Q()
    for name, value in tags:
        if value is None:
            any_of |= Q(message__tags__has_key=name)
        else:
            any_of |= Q(Exact(_TagValue(name), Value(value)))
    return any_of


def _page(rows: QuerySet[Event], page: Page, *, oldest_first: bool) -> tuple[list[Event], bool]:
    backwards = page.before is not None
    ascending = oldest_first != backwards
    if cursor := page.after or page.before:
        here, there = _Place(F("transaction"), F("seq")), _place_of(cursor)
        rows = rows.filter(GreaterThan(here, there) if ascending else LessThan(here, there))
    order = ("transaction", "seq") if ascending else ("-transaction", "-seq")
    found = list(with_facts(rows).order_by(*order)[: page.limit + 1])
    shown = found[: page.limit]
    return shown[::-1] if backwards else shown, len(found) > page.limit


class _Place(Func):
    """Where an event stands in the log: a row value, which compares as the index on it is sorted."""

    function = ""
    output_field = BigIntegerField()


def _place_of(cursor: UUID) -> _Place:
    place = Event.objects.filter(event_id=cursor).values_list("transaction", "seq").first()
    if place is None:
        raise UnknownCursor("The cursor names no event that is still kept.")
    return _Place(*map(Value, place))


class _NobodyBefore(Func):
    """On PostgreSQL: every transaction up to this one has ended, or it is our own."""

    template = (
        "(%(expressions)s < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
        " OR %(expressions)s = pg_current_xact_id_if_assigned()::text::bigint)"
    )
    output_field = BooleanField()


def _final(rows: QuerySet[Event]) -> QuerySet[Event]:
    """Those in front of which nothing can appear any more."""
    return rows.filter(_NobodyBefore(F("transaction"))) if connection.vendor == "postgresql" else rows


def _told(row: Event, headers: Sequence[Header]) -> ToldEvent:
    message: Any = row.message
    return ToldEvent(
        event_id=row.event_id,
        seq=row.seq,
        type=row.type,
        status=row.status,
        occurred_at=row.occurred_at,
        test=row.test,
        data=row.data,
        email_id=message.pk,
        provider_message_id=message_id_of(message.provider_message_id),
        email_created_at=message.created_at,
        sender=message.sender,
        to=message.to,
        subject=message.subject,
        stream=message.stream.name,
        tags=message.tags,
        metadata=message.metadata,
        recipient=row.recipient.address,
        recipient_type=row.recipient.kind,
        headers=headers,
    )


def sent_more_than_once(recipient_ids: Collection[UUID]) -> set[UUID]:
    """Those of these recipients whom a provider says it sent to under several message ids."""
    sent = Event.across_tenants.filter(recipient_id__in=recipient_ids, type=EventType.SENT)
    counted = sent.values("recipient_id").annotate(times=Count("seq")).filter(times__gt=1)
    return set(counted.values_list("recipient_id", flat=True))
