"""Opens and clicks, counted: facts with counters, which change no status (docs/api.md 2.1)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from emails.messages.models import Message, Recipient
from mailgrid.core.sql import run, values_table
from mailgrid.core.vocabulary import HitClass

_COLUMNS: Final = {
    "id": "id",
    "more_opens": "opens",
    "more_human_opens": "human_opens",
    "more_clicks": "clicks",
    "more_human_clicks": "human_clicks",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Engagement:
    """One open, or one click, of one recipient."""

    recipient_id: UUID
    message_id: UUID
    click: bool
    by: HitClass


def count(seen: Sequence[Engagement]) -> None:
    """Add to the recipients' counters, and mark the messages that others than scanners opened or clicked.

    Call inside the transaction of the events that tell it. Recipients before messages, like everybody who locks both.
    """
    if not seen:
        return
    total = Counter((one.recipient_id, one.click) for one in seen)
    human = Counter((one.recipient_id, one.click) for one in seen if one.by == HitClass.HUMAN)
    rows = [
        (pk, total[pk, False], human[pk, False], total[pk, True], human[pk, True])
        for pk in sorted({one.recipient_id for one in seen})
    ]
    table, parameters = values_table("v", Recipient, _COLUMNS, rows)
    run(
        f"""WITH {table} UPDATE emails_recipient SET opens = opens + v.more_opens,
            human_opens = human_opens + v.more_human_opens, clicks = clicks + v.more_clicks,
            human_clicks = human_clicks + v.more_human_clicks
            FROM v WHERE emails_recipient.id = v.id""",
        parameters,
    )
    _mark({one.message_id for one in seen if not one.click and one.by != HitClass.SCANNER}, "opened")
    _mark({one.message_id for one in seen if one.click and one.by != HitClass.SCANNER}, "clicked")


def _mark(message_ids: set[UUID], flag: str) -> None:
    if message_ids:
        Message.across_tenants.filter(pk__in=message_ids, **{flag: False}).update(**{flag: True})
