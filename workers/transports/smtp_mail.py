"""An envelope as SMTP carries it. Pure."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime

from emails.composition.compose import compose, verify
from emails.composition.envelope import Envelope
from mailgrid.core.addresses import Mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail: bare addresses, each once, and its bytes with every leading dot doubled, without the final dot.

    `size` counts the bytes before that (RFC 1870 5). Composed mail is ASCII and so are its addresses: it needs neither
    8BITMIME nor SMTPUTF8.
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    size: int
    message_id: str


def mail_of(envelope: Envelope, *, now: datetime) -> Mail:
    """The mail of an envelope, dated `now`. Raises what `compose` raises, and InvalidAddress."""
    date = format_datetime(now)
    raw = compose(envelope, date=date)
    verify(raw, envelope, date=date)
    raw = with_line_ends(raw)
    return Mail(
        sender=_bare(envelope.sender),
        recipients=tuple(dict.fromkeys(map(_bare, envelope.recipients))),
        content=dot_stuffed(raw),
        size=len(raw),
        message_id=envelope.message_id.strip("<>"),
    )


def with_line_ends(raw: bytes) -> bytes:
    """The same with every line ended by CRLF: a bare CR or LF is a line's end to some servers (RFC 5321 2.3.8)."""
    if not raw.count(b"\r\n") == raw.count(b"\n") == raw.count(b"\r"):
        raw = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    return raw if raw.endswith(b"\r\n") else raw + b"\r\n"


def dot_stuffed(raw: bytes) -> bytes:
    """The same with a dot before each line that begins with one (RFC 5321 4.5.2)."""
    stuffed = raw.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def _bare(mailbox: Mailbox) -> str:
    """The address alone, checked like one in a header: it becomes part of a command."""
    return Mailbox(address=mailbox.address).formatted()
