"""Everything that is erased when its time is over, slice by slice. May be repeated or cut short."""

from collections import Counter
from datetime import datetime

from emails.events import retention as events
from emails.messages import retention as messages
from emails.sandbox import retention as sandbox
from mailgrid.core import idempotency
from tenants.tenancy import retention as tenancy
from workers.fleet import presence

Summary = Counter[str]


def collect_garbage(*, now: datetime) -> Summary:
    """One bounded pass; how many rows each part erased."""
    return +Counter(
        contents=messages.erase_contents(now=now),
        messages=messages.delete_of_closed_tenants(now=now),
        tenants=tenancy.delete_closed(now=now),
        events=events.delete_events(now=now),
        notifications=events.delete_notifications(now=now),
        captured=sandbox.delete_captured(now=now),
        idempotency=idempotency.delete_expired(now=now),
        processes=presence.forget_gone(now=now),
    )
