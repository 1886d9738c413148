"""`SubmitRequest`: the one shape that every door produces. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from emails.attachments.places import Place
from emails.composition.envelope import Attachment
from mailgrid.core.addresses import Mailbox
from mailgrid.core.errors import MailgridError
from mailgrid.core.vocabulary import Source

MAX_RECIPIENTS = 50  # SES's limit for one call


class InvalidFrom(MailgridError):
    """`from` is missing or cannot be read, or its domain is not verified for the tenant."""

    name = "invalid_from_address"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateChoice:
    """A template by id, alias or name; its live version, or another one by number, or the draft."""

    wanted: str
    version: int | Literal["draft"] | None = None
    variables: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfFile:
    """An attachment that is a stored file of the tenant; None: as the file says."""

    file_id: str
    filename: str | None = None
    content_type: str | None = None
    content_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToFetch:
    """An attachment that a worker fetches before the message is sent. `content_type` None follows from what it is."""

    place: Place
    filename: str
    content_type: str | None = None
    content_id: str | None = None


Attached = Attachment | OfFile | ToFetch


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRequest:
    """One message as it was asked for: well formed, not yet judged.

    None means "not given": the stream's or tenant's value counts. `text` None is made from `html`; empty means no
    text part. With `variables` subject and bodies are expressions; a `template` has its own. `sensitive` mail is kept
    as on a sensitive stream; a `trial` may be of a draft. Times are aware. `recipients` is (kind, mailbox) of
    everybody it is for, each address once: To wins over Cc over Bcc.
    """

    sender: Mailbox | None
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...] = ()
    bcc: tuple[Mailbox, ...] = ()
    reply_to: tuple[Mailbox, ...] = ()
    subject: str | None = None
    html: str | None = field(default=None, repr=False)
    text: str | None = field(default=None, repr=False)
    template: TemplateChoice | None = None
    variables: dict[str, Any] | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[Attached, ...] = ()
    tags: dict[str, str | None] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    stream: str | None = None
    priority: int | None = None
    track_opens: bool | None = None
    track_clicks: bool | None = None
    sensitive: bool = False
    trial: bool = False
    source: Source = Source.API
    recipients: tuple[tuple[str, Mailbox], ...] = field(init=False)

    def __post_init__(self) -> None:
        everybody: dict[str, tuple[str, Mailbox]] = {}
        for kind, mailboxes in (("to", self.to), ("cc", self.cc), ("bcc", self.bcc)):
            for mailbox in mailboxes:
                everybody.setdefault(mailbox.address.lower(), (kind, mailbox))
        object.__setattr__(self, "recipients", tuple(everybody.values()))
