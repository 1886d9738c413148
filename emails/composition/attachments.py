"""Attachments as senders give them, read by the rules of `mailgrid.core.files`. Pure."""

from collections.abc import Sequence

from emails.composition.envelope import Attachment
from mailgrid.core.files import (
    FileRefused,
    check_content_id,
    check_content_type,
    check_filename,
    decode_content,
)

AttachmentRefused = FileRefused


def read_attachment(
    *,
    filename: str,
    content: str | Sequence[int],
    content_type: str | None = None,
    content_id: str | None = None,
) -> Attachment:
    """An attachment from what a sender wrote. Raises AttachmentRefused."""
    return Attachment(
        filename=check_filename(filename),
        content_type=check_content_type(content_type, filename=filename),
        content=decode_content(content),
        content_id=None if content_id is None else check_content_id(content_id),
    )
