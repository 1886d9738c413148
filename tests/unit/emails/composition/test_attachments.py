"""Attachments as senders give them; the rules for names, types and contents are tested with `mailgrid.core.files`."""

import pytest

from emails.composition.attachments import AttachmentRefused, read_attachment
from emails.composition.envelope import Attachment


def test_an_attachment_is_read_whole() -> None:
    read = read_attachment(filename="logo.png", content="iVBO\nRw0K\r\n", content_id="logo@acme")
    assert read == Attachment(
        filename="logo.png", content_type="image/png", content=b"\x89PNG\r\n", content_id="logo@acme"
    )


@pytest.mark.parametrize(
    "wrong",
    [{"filename": "a.exe"}, {"content": "a!"}, {"content_type": "text"}, {"content_id": "<a>"}],
)
def test_each_part_is_checked(wrong: dict[str, str]) -> None:
    with pytest.raises(AttachmentRefused):
        read_attachment(**{"filename": "a.txt", "content": "YQ==", **wrong})
