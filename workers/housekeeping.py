"""Everything that is erased when its time is over, slice by slice. May be repeated or cut short."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Final

from emails.attachments import retention as attachments
from emails.attachments.selectors import named_by_pending
from emails.events import retention as events
from emails.messages import retention as messages
from emails.messages.selectors import named_by_content
from emails.sandbox import retention as sandbox
from emails.verifications import retention as verifications
from mailgrid.core import idempotency
from mailgrid.core.orphans import Named
from tenants.files import retention as files
from tenants.files.selectors import named_by_files
from tenants.tenancy import retention as tenancy
from workers.fleet import presence

SWEEP_SECONDS: Final = 20.0  # of one run; the walk goes on with the next

# Every table that names bytes in the blob store.
NAMED: Final[tuple[Named, ...]] = (named_by_content, named_by_pending, named_by_files)

Summary = Counter[str]


def collect_garbage(*, now: datetime) -> Summary:
    """One bounded pass; how many rows each part erased."""
    return +Counter(
        contents=messages.erase_contents(now=now),
        attachments=attachments.delete_ended(now=now),
        messages=messages.delete_of_closed_tenants(now=now),
        files=files.delete_expired(now=now),
        tenants=tenancy.delete_closed(now=now),
        verifications=verifications.delete_old(now=now),
        events=events.delete_events(now=now),
        notifications=events.delete_notifications(now=now),
        captured=sandbox.delete_captured(now=now),
        idempotency=idempotency.delete_expired(now=now),
        processes=presence.forget_gone(now=now),
    )


def sweep_store(*, clock: Callable[[], datetime]) -> Summary:
    """Go on with the walk through the blob store, for twenty seconds at most; how many bytes went where."""
    done: Summary = Counter()
    until = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < until and (swept := files.sweep_store(asked=NAMED, now=clock())) is not None:
        done.update(
            seen=swept.seen, set_aside=swept.set_aside, deleted=swept.deleted, put_back=swept.put_back
        )
    return +done
