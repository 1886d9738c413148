"""From the JSON of SendEmail and SendBulkEmail to mail, with SES's reading of headers in raw mail."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import formatdate, getaddresses
from typing import Any

from tests.fakes.ses import validation as check
from tests.fakes.ses.mail import Kind, Mail, new_ses_id
from tests.fakes.ses.refusals import bad_request
from tests.fakes.ses.templates import NOT_RENDERED, Rendered, check_template, render
from tests.fakes.ses.validation import Document

_CONTENTS = {"Simple": Kind.SIMPLE, "Raw": Kind.RAW, "Template": Kind.TEMPLATE}
_HEAD_END = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """The recipients of one mail."""

    to: list[str]
    cc: list[str]
    bcc: list[str]

    @property
    def everybody(self) -> list[str]:
        return self.to + self.cc + self.bcc


def mail_of_send_email(document: Document, *, access_key: str) -> Mail:
    """The mail of a SendEmail request. Raises Refusal where SES would."""
    kind, content = _only_content(check.required(document, "Content", dict))
    tags = check.tags(document, "EmailTags")
    if kind is Kind.RAW:
        return _raw(document, content, tags, access_key=access_key)
    source = check.mailbox(check.required(document, "FromEmailAddress", str))
    destination = _destination(check.required(document, "Destination", dict))
    rendered, template = _simple(content) if kind is Kind.SIMPLE else _template(content)
    custom = check.headers(content)
    check.check_attachments(content)
    return _mail(
        document,
        kind=kind,
        source=source,
        destination=destination,
        headers=[*_written_headers(source, destination, rendered.subject), *custom],
        tags=tags,
        template=template,
        rendered=rendered,
        access_key=access_key,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """What a SendBulkEmail request says for all its entries, which are not yet looked at."""

    document: Document
    source: str
    content: Document | None  # of an inline template
    template: str
    values: Mapping[str, Any]
    headers: Mapping[str, tuple[str, str]]
    tags: Mapping[str, str]
    entries: list[Document]


def read_send_bulk(document: Document) -> Bulk:
    """A SendBulkEmail request. Raises Refusal where SES refuses it as a whole."""
    source = check.mailbox(check.required(document, "FromEmailAddress", str))
    template = check.required(check.required(document, "DefaultContent", dict), "Template", dict)
    content, name = _template_named(template)
    check.check_attachments(template)
    check.required(document, "BulkEmailEntries", list)
    entries = check.structures(document, "BulkEmailEntries")
    if not 1 <= len(entries) <= check.MAX_ENTRIES:
        raise bad_request(f"A bulk request has 1 to {check.MAX_ENTRIES} entries.")
    return Bulk(
        document=document,
        source=source,
        content=content,
        template=name,
        values=check.template_data(template, "TemplateData"),
        headers=_by_name(check.headers(template)),
        tags=check.tags(document, "DefaultEmailTags"),
        entries=entries,
    )


def mail_of_bulk_entry(bulk: Bulk, entry: Document, *, access_key: str) -> Mail:
    """The mail of one entry; its values, tags and headers replace defaults of the same name."""
    destination = _destination(check.required(entry, "Destination", dict))
    replacement = check.optional(entry, "ReplacementEmailContent", dict) or {}
    replaced = check.optional(replacement, "ReplacementTemplate", dict) or {}
    values = {**bulk.values, **check.template_data(replaced, "ReplacementTemplateData")}
    rendered = render(bulk.content, values) if bulk.content is not None else Rendered()
    custom = {**bulk.headers, **_by_name(check.headers(entry, "ReplacementHeaders"))}
    return _mail(
        bulk.document,
        kind=Kind.BULK,
        source=bulk.source,
        destination=destination,
        headers=[*_written_headers(bulk.source, destination, rendered.subject), *custom.values()],
        tags={**bulk.tags, **check.tags(entry, "ReplacementTags")},
        template=bulk.template,
        rendered=rendered,
        access_key=access_key,
    )


def _by_name(headers: list[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    return {name.lower(): (name, value) for name, value in headers}


def _only_content(content: Document) -> tuple[Kind, Document]:
    given = [name for name in _CONTENTS if content.get(name) is not None]
    if len(given) != 1:
        raise bad_request("Content must hold exactly one of Simple, Raw and Template.")
    return _CONTENTS[given[0]], check.required(content, given[0], dict)


def _destination(document: Document) -> Destination:
    destination = Destination(
        to=check.addresses(document, "ToAddresses"),
        cc=check.addresses(document, "CcAddresses"),
        bcc=check.addresses(document, "BccAddresses"),
    )
    check.check_recipient_count(destination.everybody)
    return destination


def _simple(content: Document) -> tuple[Rendered, str]:
    body = check.required(content, "Body", dict)
    text, html = (_data(check.optional(body, name, dict)) for name in ("Text", "Html"))
    subject = check.required(check.required(content, "Subject", dict), "Data", str)
    return Rendered(subject=subject, html=html, text=text), ""


def _data(part: Document | None) -> str | None:
    return None if part is None else check.required(part, "Data", str)


def _template(content: Document) -> tuple[Rendered, str]:
    inline, name = _template_named(content)
    values = check.template_data(content, "TemplateData")
    return (render(inline, values) if inline is not None else Rendered()), name


def _template_named(content: Document) -> tuple[Document | None, str]:
    """An inline template's content, or another's name: those are taken as existing, this SES keeps none."""
    inline = check.optional(content, "TemplateContent", dict)
    name = check.optional(content, "TemplateName", str) or check.optional(content, "TemplateArn", str)
    if (inline is None) == (name is None):
        raise bad_request("Template must hold either a name or its content.")
    if inline is not None:
        check_template(inline)
    return inline, name or ""


def _raw(document: Document, content: Document, tags: Mapping[str, str], *, access_key: str) -> Mail:
    message = _parse_head(check.blob(content, "Data"))
    source = check.optional(document, "FromEmailAddress", str) or str(message.get("From", ""))
    if not source:
        raise bad_request("Missing required header 'From'.")
    given = check.optional(document, "Destination", dict)
    destination = _destination(given) if given else _destination_of_headers(message)
    return _mail(
        document,
        kind=Kind.RAW,
        source=check.mailbox(source),
        destination=destination,
        headers=[(name, str(value)) for name, value in message.items()],
        tags=tags or _tags_of_header(str(message.get("X-SES-MESSAGE-TAGS", ""))),
        configuration_set=str(message.get("X-SES-CONFIGURATION-SET", "")),
        access_key=access_key,
    )


def _parse_head(data: bytes) -> Message:
    end = _HEAD_END.search(data)
    return BytesHeaderParser(policy=policy.compat32).parsebytes(data[: end.end()] if end else data)


def _destination_of_headers(message: Message) -> Destination:
    to, cc, bcc = (
        [address for _, address in getaddresses([str(value) for value in message.get_all(name, [])])]
        for name in ("To", "Cc", "Bcc")
    )
    destination = Destination(to=to, cc=cc, bcc=bcc)
    check.check_recipient_count([check.mailbox(address) for address in destination.everybody])
    return destination


def _tags_of_header(value: str) -> dict[str, str]:
    """Tags as SES reads them from raw mail without EmailTags: `name=value, name=value`."""
    pairs = (item.partition("=") for item in value.split(",") if "=" in item)
    return {name.strip(): text.strip() for name, _, text in pairs}


def _written_headers(source: str, destination: Destination, subject: str) -> list[tuple[str, str]]:
    """The headers SES writes for content that isn't raw."""
    written = [("Date", formatdate()), ("From", source), ("To", ", ".join(destination.to))]
    if destination.cc:
        written.append(("Cc", ", ".join(destination.cc)))
    return [*written, ("Subject", subject), ("MIME-Version", "1.0")]


def _mail(
    document: Document,
    *,
    kind: Kind,
    source: str,
    destination: Destination,
    headers: list[tuple[str, str]],
    tags: Mapping[str, str],
    access_key: str,
    template: str = "",
    rendered: Rendered = NOT_RENDERED,
    configuration_set: str = "",
) -> Mail:
    return Mail(
        ses_id=new_ses_id(),
        accepted_at=datetime.now(UTC),
        kind=kind,
        source=source,
        to=destination.to,
        cc=destination.cc,
        bcc=destination.bcc,
        headers=headers,
        tags=tags,
        configuration_set=check.optional(document, "ConfigurationSetName", str) or configuration_set,
        template=template,
        access_key=access_key,
        reply_to=check.addresses(document, "ReplyToAddresses"),
        html=rendered.html,
        text=rendered.text,
        missing=rendered.missing,
    )
