"""Attachments of a request: by content, by the id of a stored file, or by a place to fetch them from."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from django.conf import settings
from pydantic import Field

from emails.attachments.places import read_place
from emails.composition.attachments import AttachmentRefused, read_attachment
from emails.composition.envelope import Attachment
from emails.messages import content as contents
from emails.messages.content import StoredAttachment
from emails.submission.request import Attached, OfFile, ToFetch
from mailgrid.core import blobs
from mailgrid.core.errors import FieldError, MailgridError, Unavailable
from mailgrid.core.files import check_content_id, check_content_type, check_filename
from mailgrid.core.hosts import ForbiddenHost
from mailgrid.core.ids import parse_uuid
from mailgrid.http.reading import Body
from tenants.files.models import File
from tenants.files.selectors import files_of

MAX_ATTACHMENTS = 20
MAX_READ = 500  # attachments; a longer list is refused before a million wrong ones are read


class InvalidAttachment(MailgridError):
    """An attachment that is not sent as it is."""

    name = "invalid_attachment"


class AttachmentBody(Body):
    """A file: its content in base64, as a data URI or as a list of integers; or where it is."""

    content: str | Annotated[list[int], Field(fail_fast=True)] | None = None
    path: Annotated[str, Field(min_length=1, max_length=2_048)] | None = None
    file_id: str | None = None
    filename: str | None = None
    content_type: str | None = None
    content_id: str | None = None
    inline_content_id: str | None = None

    def read(self) -> Attached:
        """The attachment; raises `AttachmentRefused` and `ForbiddenHost`."""
        if sum(one is not None for one in (self.content, self.path, self.file_id)) != 1:
            raise AttachmentRefused("Give exactly one of content, path and file_id.")
        inline = self.content_id or self.inline_content_id
        if self.content is not None:
            if self.filename is None:
                raise AttachmentRefused("filename is required with content.")
            return read_attachment(
                filename=self.filename,
                content=self.content,
                content_type=self.content_type,
                content_id=inline,
            )
        content_id = None if inline is None else check_content_id(inline)
        if self.path is not None:
            place = read_place(self.path, allowed=settings.UNSAFE_HOSTS)
            name = check_filename(self.filename or place.filename)
            given = self.content_type and check_content_type(self.content_type, filename=name)
            return ToFetch(place=place, filename=name, content_type=given, content_id=content_id)
        name_given = self.filename and check_filename(self.filename)
        return OfFile(
            file_id=self.file_id or "",
            filename=name_given,
            content_type=self.content_type
            and check_content_type(self.content_type, filename=name_given or ""),
            content_id=content_id,
        )


def read_attachments(bodies: Sequence[AttachmentBody]) -> tuple[Attached, ...]:
    """All of a message; raises `InvalidAttachment`, which names every wrong one."""
    if len(bodies) > MAX_ATTACHMENTS:
        raise _refused([FieldError("attachments", "too_many", f"At most {MAX_ATTACHMENTS} attachments.")])
    read, refused = [], []
    for place, attachment in enumerate(bodies):
        try:
            read.append(attachment.read())
        except AttachmentRefused as error:
            refused.append(FieldError(f"attachments[{place}]", "invalid_attachment", str(error)))
        except ForbiddenHost as error:
            refused.append(FieldError(f"attachments[{place}].path", "forbidden_host", str(error)))
    if refused:
        raise _refused(refused)
    return tuple(read)


def known_files(tenant_id: UUID, attached: Sequence[Attached], *, now: datetime) -> Mapping[str, File]:
    """The stored files that attachments name, by the ids they wrote, in one query."""
    ids = {one.file_id: parse_uuid(one.file_id) for one in attached if isinstance(one, OfFile)}
    if not ids:
        return {}
    found = files_of(tenant_id, [pk for pk in ids.values() if pk], now=now)
    return {written: found[pk] for written, pk in ids.items() if pk and pk in found}


def check_known(attached: Sequence[Attached], files: Mapping[str, File]) -> None:
    """Raises `InvalidAttachment` for ids of no file of the tenant, and of files whose time is over."""
    unknown = [
        FieldError(f"attachments[{place}].file_id", "not_found", "There is no such file.")
        for place, one in enumerate(attached)
        if isinstance(one, OfFile) and one.file_id not in files
    ]
    if unknown:
        raise _refused(unknown)


def sizes(attached: Sequence[Attached], files: Mapping[str, File]) -> list[tuple[str, int]]:
    """Names and sizes in bytes, as far as they are known yet."""
    known = []
    for one in attached:
        match one:
            case Attachment():
                known.append((one.filename, len(one.content)))
            case OfFile():
                known.append((one.filename or files[one.file_id].filename, files[one.file_id].size))
    return known


def stored(
    attached: Sequence[Attached], files: Mapping[str, File], *, tenant_id: UUID, sensitive: bool
) -> tuple[StoredAttachment, ...]:
    """The attachments as content keeps them; their bytes are durable when this returns. Raises `Unavailable`."""
    return tuple(_stored(one, files, tenant_id=tenant_id, sensitive=sensitive) for one in attached)


def _stored(
    one: Attached, files: Mapping[str, File], *, tenant_id: UUID, sensitive: bool
) -> StoredAttachment:
    match one:
        case ToFetch():
            return StoredAttachment(
                filename=one.filename, content_type=one.content_type or "", content_id=one.content_id
            )
        case OfFile():
            return _stored_file(one, files[one.file_id], sensitive=sensitive)
    return contents.store_attachment(
        tenant_id=tenant_id,
        filename=one.filename,
        content_type=one.content_type,
        content_id=one.content_id,
        content=one.content,
        sensitive=sensitive,
    )


def _stored_file(one: OfFile, file: File, *, sensitive: bool) -> StoredAttachment:
    """It names the file's own bytes; sensitive mail has a copy that is encrypted and erased with it."""
    name, kind = one.filename or file.filename, one.content_type or file.content_type
    if not sensitive:
        return StoredAttachment(
            filename=name, content_type=kind, content_id=one.content_id, size=file.size, blob=file.blob
        )
    try:
        content = blobs.get(file.blob)
    except (blobs.BlobMissing, OSError) as error:
        raise Unavailable("A stored file cannot be read right now.") from error
    return contents.store_attachment(
        tenant_id=file.tenant_id,
        filename=name,
        content_type=kind,
        content_id=one.content_id,
        content=content,
        sensitive=True,
    )


def _refused(errors: Sequence[FieldError]) -> InvalidAttachment:
    return InvalidAttachment(f"{errors[0].field}: {errors[0].message}", errors=errors)
