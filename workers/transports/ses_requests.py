"""An envelope as the JSON of SES's SendEmail. Pure.

Source: Amazon SES API v2 Reference, SendEmail; the names are those of botocore's model `sesv2`.
"""

from binascii import b2a_base64
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from emails.composition.compose import compose, verify
from emails.composition.envelope import Attachment, Envelope
from emails.composition.headers import sendable
from emails.composition.shape import Shape, shape_of
from mailgrid.core.addresses import Mailbox


def send_email_body(envelope: Envelope, *, configuration_set: str = "") -> bytes:
    """The request body; `configuration_set` is the account's, used when the envelope names none.

    Mail that SES can compose itself goes as Simple content, all other as Raw. With Raw the recipients are
    bare: what people see is in the composed header fields, Reply-To included. Raises compose's errors.
    """
    simple = shape_of(envelope) is not Shape.RAW
    request: dict[str, Any] = {
        "FromEmailAddress": envelope.sender.formatted(),
        "Destination": destination(envelope, written if simple else _bare),
        "Content": _simple(envelope) if simple else _raw(envelope),
        "EmailTags": name_values(envelope.proof_tags.items()),
    }
    if simple and envelope.reply_to:
        request["ReplyToAddresses"] = written(envelope.reply_to)
    chosen_set = envelope.configuration_set or configuration_set
    if chosen_set:
        request["ConfigurationSetName"] = chosen_set
    return orjson.dumps(request)


def destination(
    envelope: Envelope, written: Callable[[Iterable[Mailbox]], list[str]]
) -> dict[str, list[str]]:
    """The envelope's recipients, written in one way or another; no list is empty."""
    everybody = {"ToAddresses": envelope.to, "CcAddresses": envelope.cc, "BccAddresses": envelope.bcc}
    return {name: written(mailboxes) for name, mailboxes in everybody.items() if mailboxes}


def written(mailboxes: Iterable[Mailbox]) -> list[str]:
    """Mailboxes with their display names. Raises InvalidAddress."""
    return [mailbox.formatted() for mailbox in mailboxes]


def name_values(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Tags or headers."""
    return [{"Name": name, "Value": value} for name, value in pairs]


def _simple(envelope: Envelope) -> dict[str, Any]:
    body = {"Text": envelope.text, "Html": envelope.html}
    content: dict[str, Any] = {
        "Subject": _utf8(envelope.subject),
        "Body": {name: _utf8(data) for name, data in body.items() if data is not None},
    }
    if headers := sendable(envelope.headers):
        content["Headers"] = name_values(headers)
    if envelope.attachments:
        content["Attachments"] = [_attachment(attachment) for attachment in envelope.attachments]
    return {"Simple": content}


def _raw(envelope: Envelope) -> dict[str, Any]:
    mail = compose(envelope)
    verify(mail, envelope)
    return {"Raw": {"Data": _base64(mail)}}


def _attachment(attachment: Attachment) -> dict[str, str]:
    described = {
        "RawContent": _base64(attachment.content),
        "FileName": attachment.filename,
        "ContentType": attachment.content_type,
        "ContentDisposition": "ATTACHMENT",
        "ContentTransferEncoding": "BASE64",
    }
    if attachment.content_id is not None:
        described["ContentDisposition"] = "INLINE"
        described["ContentId"] = attachment.content_id
    return described


def _bare(mailboxes: Iterable[Mailbox]) -> list[str]:
    return [mailbox.address for mailbox in mailboxes]


def _utf8(data: str) -> dict[str, str]:
    return {"Data": data, "Charset": "UTF-8"}


def _base64(content: bytes) -> str:
    return b2a_base64(content, newline=False).decode("ascii")
