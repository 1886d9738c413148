"""`SubmitRequest`: the one shape that every door produces. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emails.composition.envelope import Attachment
from mailgrid.core.addresses import Mailbox
from mailgrid.core.errors import MailgridError
from mailgrid.core.vocabulary import Source

MAX_RECIPIENTS = 50  # SES's limit for one call


class InvalidFrom(MailgridError):
    """`from` is missing or cannot be read, or its domain is not verified for the tenant."""

    name = "invalid_from_address"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """One message as it was asked for: well formed, not yet judged.

    None means "not given": the stream's or tenant's value counts. `text` None is made from `html`; empty means no
    text part. Times are aware.
    """

    sender: Mailbox | None
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    subject: str
    html: str | None = field(default=None, repr=False)
    text: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    tags: dict[str, str | None] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    stream: str | None = None
    priority: int | None = None
    source: Source = Source.API

    @property
    def recipients(self) -> tuple[tuple[str, Mailbox], ...]:
        """(kind, mailbox) of everybody it is for, each address once: To wins over Cc over Bcc."""
        everybody: dict[str, tuple[str, Mailbox]] = {}
        for kind, mailboxes in (("to", self.to), ("cc", self.cc), ("bcc", self.bcc)):
            for mailbox in mailboxes:
                everybody.setdefault(mailbox.address.lower(), (kind, mailbox))
        return tuple(everybody.values())
