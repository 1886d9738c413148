"""Read messages: one, or a page of them, with a constant number of queries."""

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, F, Func, OuterRef, Prefetch, Q, QuerySet, TextField, Value
from django.db.models.lookups import Exact

from emails.messages.lifecycle import CLAIMABLE, statuses_of
from emails.messages.models import Delivery, Message, MessageContent, Recipient
from emails.messages.queue.passes import in_states
from mailgrid.core.errors import NotFound
from mailgrid.core.ids import parse_uuid
from mailgrid.core.sql import run
from mailgrid.core.vocabulary import Status

TAG = re.compile(r"([A-Za-z0-9_-]{1,256})(?::([A-Za-z0-9_-]{0,256}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """What a list asks for; None and empty ask for nothing."""

    status: list[str]
    last_event: list[str]
    source: list[str]
    to: str | None = None
    sender: str | None = None
    stream: str | None = None
    tag: str | None = None
    template_id: UUID | None = None
    batch_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


def get_message(message_id: UUID | str) -> Message:
    """A message of the tenant and mode in scope; raises `NotFound`, also for a malformed id."""
    found: Message | None = Message.objects.filter(pk=parse_uuid(message_id)).select_related("stream").first()
    if found is None:
        raise NotFound("There is no such email.")
    return found


def recipients_of(message: Message) -> list[Recipient]:
    """In the order of the envelope, with their deliveries."""
    rows = Recipient.across_tenants.filter(message=message).select_related("delivery")
    return list(rows.order_by("position"))


def with_current_status(rows: QuerySet[Message]) -> QuerySet[Message]:
    """The same messages, with what their `current_status` asks for."""
    claimed = Delivery.across_tenants.filter(message=OuterRef("pk"), state=Status.SENDING)
    return rows.annotate(is_sending=Exists(claimed))


def has_status(statuses: Collection[str]) -> Q:
    """Messages whose current status is one of these."""
    stored = Q(status__in=statuses)
    if not {Status.SENDING, *CLAIMABLE} & set(statuses):
        return stored
    claimed = Delivery.across_tenants.filter(in_states(Status.SENDING, Status.IN_DOUBT), state=Status.SENDING)
    sending = Q(status__in=CLAIMABLE, pk__in=claimed.values("message_id"))
    return stored | sending if Status.SENDING in statuses else stored & ~sending


def list_messages(wanted: MessageFilter) -> QuerySet[Message]:
    """The messages in scope that pass the filter."""
    rows: QuerySet[Message] = with_current_status(Message.objects.select_related("stream").defer("key_id"))
    if wanted.status:
        rows = rows.filter(has_status(wanted.status))
    if wanted.last_event:
        rows = rows.filter(_any(_last_event(word) for word in wanted.last_event))
    if wanted.source:
        rows = rows.filter(source__in=wanted.source)
    if wanted.to:
        addressed = Recipient.objects.filter(address__iexact=wanted.to).values("message_id")
        rows = rows.filter(pk__in=addressed)
    if wanted.sender:
        rows = rows.filter(Q(sender__iexact=wanted.sender) | Q(sender__iendswith=f"<{wanted.sender}>"))
    return _narrow(rows, wanted)


def _narrow(rows: QuerySet[Message], wanted: MessageFilter) -> QuerySet[Message]:
    if wanted.stream:
        stream_id = parse_uuid(wanted.stream)
        rows = rows.filter(stream_id=stream_id) if stream_id else rows.filter(stream__name=wanted.stream)
    if wanted.tag:
        rows = rows.filter(tagged(wanted.tag))
    if wanted.template_id:
        rows = rows.filter(template_id=wanted.template_id)
    if wanted.batch_id:
        rows = rows.filter(batch_id=wanted.batch_id)
    if wanted.since:
        rows = rows.filter(created_at__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(created_at__lt=wanted.until)
    return rows


class _TagValue(Func):
    """The value of one tag. Django's key transform would read lookups in a name, and places in a list in digits."""

    function = "jsonb_extract_path_text"
    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **_context: Any) -> Any:
        tags, name = self.get_source_expressions()
        path = Value(f'$."{name.value}"')
        return Func(tags, path, function="json_extract").as_sql(compiler, connection)


def tagged(tag: str) -> Q:
    """Messages with the tag `name`, or `name:value`; none for what can be no tag."""
    if (found := TAG.fullmatch(tag)) is None:
        return Q(pk__in=[])
    if found[2] is None:
        return Q(tags__has_key=found[1])
    return Q(Exact(_TagValue(F("tags"), Value(found[1])), Value(found[2])))


def _last_event(word: str) -> Q:
    statuses, opened, clicked = statuses_of(word)
    wanted = has_status(statuses)
    if opened is not None:
        wanted &= Q(opened=opened)
    if clicked is not None:
        wanted &= Q(clicked=clicked)
    if word in statuses and opened is None and clicked is None:
        wanted &= ~(Q(opened=True) | Q(clicked=True)) | ~Q(status__in=statuses_of("clicked")[0])
    return wanted


def _any(conditions: Iterable[Q]) -> Q:
    return reduce(or_, conditions, Q(pk__in=[]))


def count_accepted(tenant_id: UUID, since: datetime) -> int:
    """Recipients of live messages accepted since then, suppressed ones excepted: what quotas count."""
    rows = Recipient.across_tenants.filter(
        tenant_id=tenant_id, message__test=False, message__created_at__gte=since
    )
    return rows.exclude(status=Status.SUPPRESSED).count()


# The index `emails_content_attachments` answers this, name by name: `?|` with 500 names took five times as long.
_ATTACHED = {
    "postgresql": """
SELECT name FROM unnest(%s::text[]) AS name
 WHERE EXISTS (SELECT FROM emails_messagecontent WHERE attachments <> '[]' AND attachments ? name)""",
    "sqlite": """
SELECT DISTINCT named.value FROM emails_messagecontent, json_each(attachments) AS named
 WHERE attachments <> '[]' AND named.value IN (SELECT value FROM json_each(%s))""",
}


def named_by_content(references: Collection[str]) -> set[str]:
    """Which of these blobs a message's content names; asked across tenants, by whoever sweeps the store."""
    bodies = MessageContent.objects.filter(blob__in=references).exclude(blob="")
    wanted: Any = list(references) if connection.vendor == "postgresql" else json.dumps(list(references))
    attached = run(_ATTACHED[connection.vendor], [wanted])
    return {*bodies.values_list("blob", flat=True), *(name for (name,) in attached)}


def with_story(rows: QuerySet[Message]) -> QuerySet[Message]:
    """With deliveries, attempts and recipients, for pages that show everything."""
    return rows.prefetch_related(
        Prefetch(
            "deliveries", Delivery.across_tenants.prefetch_related("journal").select_related("transport")
        ),
        Prefetch("recipients", Recipient.across_tenants.select_related("delivery").order_by("position")),
    )
