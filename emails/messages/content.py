"""What a message says, as it is kept: small ones in the row, large ones in the blob store, sensitive ones encrypted."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from emails.messages.copies import SAME_FOR_ALL, CopyLinks
from emails.messages.models import MessageContent
from emails.messages.versions import FixedVersion, VersionGone, programs_for, words
from mailgrid.core import blobs, crypto
from mailgrid.core.sql import any_of, read_uuid, run
from templates.rendering import Programs

INLINE_BYTES = 256 * 1024  # larger payloads go to the blob store


class ContentGone(Exception):
    """The content was erased after its retention, or a blob behind it is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAttachment:
    """An attachment whose bytes lie in the blob store, encrypted if `key_id` says so. `size` is in bytes, plain.

    One that is still to be fetched has no `blob`: mail with it cannot be composed.
    """

    filename: str
    content_type: str
    content_id: str | None
    size: int = 0
    blob: str = ""
    key_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Subject, bodies and headers as accepted.

    With a `version` the bodies are rendered where content is loaded, and not kept. `copy` says what each recipient's
    own copy carries. `sealed` content is encrypted wherever it rests, and shown to nobody.
    """

    subject: str
    html: str | None = field(default=None, repr=False)
    text: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = ()
    attachments: tuple[StoredAttachment, ...] = ()
    version: FixedVersion | None = None
    copy: CopyLinks = SAME_FOR_ALL
    sealed: bool = False


COLUMNS = ("message_id", "payload", "sealed", "key_id", "blob", "attachments", "erased_at")


def as_row(*, tenant_id: UUID, message_id: UUID, content: Content, sensitive: bool) -> tuple[Any, ...]:
    """The row of `content`, in the order of `COLUMNS`. Blobs are durable when this returns."""
    payload = orjson.dumps(
        {
            "subject": content.subject,
            "html": content.html,
            "text": content.text,
            "headers": content.headers,
            "attachments": content.attachments,
            **({"version": content.version.as_kept()} if content.version else {}),
            **({"copy": content.copy.as_kept()} if content.copy else {}),
        }
    )
    blob_names = [part.blob for part in content.attachments if part.blob]
    sealed = crypto.seal(payload, context=message_id.bytes) if sensitive else None
    stored = sealed.ciphertext if sealed else payload
    key_id = sealed.key_id if sealed else ""
    if len(stored) > INLINE_BYTES:
        return (message_id, None, None, key_id, blobs.put(tenant_id, stored), blob_names, None)
    if sealed:
        return (message_id, None, stored, key_id, "", blob_names, None)
    return (message_id, payload.decode(), None, "", "", blob_names, None)


def store_attachment(
    *,
    tenant_id: UUID,
    filename: str,
    content_type: str,
    content_id: str | None,
    content: bytes,
    sensitive: bool,
) -> StoredAttachment:
    """Put an attachment's bytes into the blob store; they are durable when this returns."""
    sealed = crypto.seal(content, context=tenant_id.bytes) if sensitive else None
    return StoredAttachment(
        filename=filename,
        content_type=content_type,
        content_id=content_id,
        size=len(content),
        blob=blobs.put(tenant_id, sealed.ciphertext if sealed else content),
        key_id=sealed.key_id if sealed else "",
    )


def read_attachment(part: StoredAttachment, *, tenant_id: UUID) -> bytes:
    """The bytes of an attachment; raises `ContentGone`, also for one that is still to be fetched."""
    if not part.blob:
        raise ContentGone(f"attachment {part.filename}: not fetched")
    try:
        stored = blobs.get(part.blob)
        if not part.key_id:
            return stored
        return crypto.unseal(crypto.Sealed(part.key_id, stored), context=tenant_id.bytes)
    except (blobs.BlobMissing, crypto.CannotDecrypt) as error:
        raise ContentGone(f"attachment {part.filename}: {error}") from error


class Kept(NamedTuple):
    """A row of MessageContent."""

    message_id: UUID
    payload: str | None
    sealed: bytes | None
    key_id: str
    blob: str
    erased_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A message as its sender wrote it. `content` is the error instead, where it cannot be read."""

    content: Content | Exception
    sender: str
    to: list[str]
    cc: list[str]
    reply_to: list[str]


def read(row: Kept) -> Content:
    """The content of a row; raises `ContentGone`."""
    if row.erased_at is not None:
        raise ContentGone("the content was erased")
    payload = orjson.loads(_payload(row))
    return Content(
        subject=payload["subject"],
        html=payload["html"],
        text=payload["text"],
        headers=tuple((name, value) for name, value in payload["headers"]),
        attachments=tuple(StoredAttachment(**part) for part in payload["attachments"]),
        version=FixedVersion.of_kept(payload["version"]) if "version" in payload else None,
        copy=CopyLinks.of_kept(payload["copy"]) if "copy" in payload else SAME_FOR_ALL,
        sealed=bool(row.key_id),
    )


def _payload(row: Kept) -> bytes | str:
    if row.payload is not None:
        return row.payload
    try:
        stored = blobs.get(row.blob) if row.blob else bytes(row.sealed or b"")
        if not row.key_id:
            return stored
        return crypto.unseal(crypto.Sealed(row.key_id, stored), context=row.message_id.bytes)
    except (blobs.BlobMissing, crypto.CannotDecrypt) as error:
        raise ContentGone(str(error)) from error


def _read(row: Kept) -> Content | Exception:
    """One row must not take its neighbours along."""
    try:
        return read(row)
    except Exception as error:  # noqa: BLE001
        return error


def load(message_ids: Iterable[UUID]) -> Mapping[UUID, Content | Exception]:
    """The contents of many messages in one query; what cannot be read stands there as its error."""
    return _worded(_load(message_ids))


def headers_of(message_ids: Iterable[UUID]) -> Mapping[UUID, tuple[tuple[str, str], ...]]:
    """The headers that may be shown and can still be read."""
    found = _load(message_ids)
    return {pk: one.headers for pk, one in found.items() if isinstance(one, Content) and not one.sealed}


def _load(message_ids: Iterable[UUID]) -> Mapping[UUID, Content | Exception]:
    rows = MessageContent.objects.filter(pk__in=message_ids).values_list(*Kept._fields)
    return {row[0]: _read(Kept(*row)) for row in rows}


def load_written(message_ids: Collection[UUID]) -> Mapping[UUID, Written]:
    """What a batch needs to be composed, in one query."""
    if not message_ids:
        return {}
    these, ids = any_of("c.message_id", MessageContent, "message_id", message_ids)
    rows = run(
        'SELECT c.message_id, c.payload, c.sealed, c.key_id, c.blob, c.erased_at, m.sender, m."to", m.cc,'
        " m.reply_to"
        f" FROM emails_messagecontent c JOIN emails_message m ON m.id = c.message_id WHERE {these}",
        ids,
    )
    kept = {(message_id := read_uuid(row[0])): _read(Kept(message_id, *row[1:6])) for row in rows}
    contents = _worded(kept)
    return {
        message_id: Written(
            content=contents[message_id],
            sender=row[6],
            to=orjson.loads(row[7]),
            cc=orjson.loads(row[8]),
            reply_to=orjson.loads(row[9]),
        )
        for message_id, row in zip(kept, rows, strict=True)
    }


def _worded(found: Mapping[UUID, Content | Exception]) -> Mapping[UUID, Content | Exception]:
    """The same with the bodies of those that have a template's version."""
    versions = [one.version for one in found.values() if isinstance(one, Content) and one.version]
    if not versions:
        return found
    try:
        programs = programs_for(versions)
    except Exception:  # noqa: BLE001 - each is tried by itself, so that one does not take the others along
        programs = {}
    return {message_id: _with_words(one, programs) for message_id, one in found.items()}


def _with_words(content: Content | Exception, programs: Mapping[UUID, Programs]) -> Content | Exception:
    if isinstance(content, Exception) or content.version is None:
        return content
    try:
        rendered = words(content.version, programs or programs_for([content.version]))
    except VersionGone as error:
        return ContentGone(str(error))
    except Exception as error:  # noqa: BLE001 - one message must not take its neighbours along
        return error
    return replace(content, html=rendered.html, text=rendered.text)


def is_sealed(message_id: UUID) -> bool:
    """Whether the content is encrypted, and so all of its attachments."""
    return MessageContent.objects.filter(pk=message_id).exclude(key_id="").exists()


def put_in(message_id: UUID, *, tenant_id: UUID, fetched: Mapping[int, Mapping[str, Any]]) -> None:
    """Complete the attachments at these places; everything else stays as it was accepted. Call inside a transaction.

    Raises `ContentGone`.
    """
    row = MessageContent.objects.select_for_update().get(pk=message_id)
    content = read(Kept(*(getattr(row, name) for name in Kept._fields)))
    parts = list(content.attachments)
    for place, known in fetched.items():
        parts[place] = replace(parts[place], **known)
    values = as_row(
        tenant_id=tenant_id,
        message_id=message_id,
        content=replace(content, attachments=tuple(parts)),
        sensitive=bool(row.key_id),
    )
    MessageContent.objects.filter(pk=message_id).update(**dict(zip(COLUMNS[1:], values[1:], strict=True)))


def load_one(message_id: UUID) -> Content | None:
    """The content of one message, or None when it is gone."""
    found = load([message_id]).get(message_id)
    return found if isinstance(found, Content) else None


def load_shown(message_id: UUID) -> Content | None:
    """The same for people: None for sealed content, too."""
    found = load_one(message_id)
    return None if found is None or found.sealed else found
