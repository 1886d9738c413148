"""What a transport sees: one envelope, complete and immutable, with nothing left to look up. Pure."""

from dataclasses import dataclass, field
from uuid import UUID

from mailgrid.core.addresses import Mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that travels with a message; `content_id` makes it inline (RFC 2392)."""

    filename: str
    content_type: str
    content: bytes = field(repr=False)
    content_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One future hand-over: who gets what, and the proof marks that come back with events.

    `to`, `cc` and `bcc` are the recipients of this very call (1 to 50 in all, SES's limit);
    `delivery_id` and `fence` name the attempt that was journalled before the call. `sensitive` content may be handed
    over, but neither kept nor logged on the way. `may_share` lets a transport hand it over in one request with
    others, whose lost answer would put them all in doubt. A recipient's own copy shows others in To and Cc than it goes
    to: `shown_to` and `shown_cc`, where they are not None.
    """

    delivery_id: UUID
    fence: int
    tenant_id: UUID
    message_ref: UUID
    test: bool = False
    stream: str
    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    subject: str
    html: str | None = field(default=None, repr=False)
    text: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    configuration_set: str = ""
    sensitive: bool = False
    may_share: bool = False
    shown_to: tuple[Mailbox, ...] | None = None
    shown_cc: tuple[Mailbox, ...] | None = None

    @property
    def recipients(self) -> tuple[Mailbox, ...]:
        """Everybody the provider is asked to deliver to, in the order To, Cc, Bcc."""
        return self.to + self.cc + self.bcc

    @property
    def to_field(self) -> tuple[Mailbox, ...]:
        """Whom the mail shows in To."""
        return self.to if self.shown_to is None else self.shown_to

    @property
    def cc_field(self) -> tuple[Mailbox, ...]:
        """Whom the mail shows in Cc."""
        return self.cc if self.shown_cc is None else self.shown_cc

    @property
    def message_id(self) -> str:
        """The Message-ID (RFC 5322 3.6.4), made from the delivery's id so that a repeat carries the same one."""
        return f"<{self.delivery_id}@{self.sender.address.rpartition('@')[2]}>"

    @property
    def proof_tags(self) -> dict[str, str]:
        """Tags that return in every provider event and name the attempt (ASCII letters, digits, `_`, `-`).

        Sensitive mail says so: its events repeat its subject, and are kept as it is (`emails.feedback`).
        """
        tags = {
            "mg_d": str(self.delivery_id),
            "mg_f": str(self.fence),
            "mg_t": self.tenant_id.hex,
            "mg_s": self.stream,
        }
        return tags | ({"mg_sensitive": "1"} if self.sensitive else {})
