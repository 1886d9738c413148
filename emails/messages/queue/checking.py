"""Compare what is kept twice: a message's stored status, and what its recipients say."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import transaction

from emails.messages.models import Message
from emails.messages.queue.settling import STATUS_SQL, project_messages
from mailgrid.core.sql import adapted, read_uuid, run

PAGE: Final = 5_000  # messages of one statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """A message whose list shows `stored`, while its recipients say `derived`."""

    message_id: UUID
    stored: str
    derived: str


def mismatches() -> Iterator[Mismatch]:
    """Every one, oldest message first.

    What is found while mail goes out may be a change between the two reads of a statement: look again before you
    believe it.
    """
    last: UUID | None = UUID(int=0)
    while last:
        found, last = _page(last)
        yield from found


def is_still_wrong(one: Mismatch) -> bool:
    """Whether a mismatch is there at a second look."""
    return bool(_wrong("emails_message.id = %s", _adapted(one.message_id)))


def repair(one: Mismatch) -> None:
    """Write what the recipients say."""
    with transaction.atomic():
        project_messages({one.message_id: ""})


def _page(after: UUID) -> tuple[list[Mismatch], UUID | None]:
    ids = Message.across_tenants.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:PAGE]
    page = list(ids)
    if not page:
        return [], None
    bounds = [*_adapted(page[0]), *_adapted(page[-1])]
    return _wrong("emails_message.id BETWEEN %s AND %s", bounds), page[-1]


def _wrong(which: str, parameters: list[object]) -> list[Mismatch]:
    rows = run(
        f"""SELECT id, status, derived FROM (SELECT id, status, {STATUS_SQL} AS derived FROM emails_message
             WHERE {which}) AS compared WHERE derived IS NOT NULL AND derived <> status ORDER BY id""",
        parameters,
    )
    return [
        Mismatch(message_id=read_uuid(pk), stored=stored, derived=derived) for pk, stored, derived in rows
    ]


def _adapted(message_id: UUID) -> list[object]:
    return list(adapted(Message, "id", [message_id]))
