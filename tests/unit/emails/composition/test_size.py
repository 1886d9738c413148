"""The size at acceptance is never below the size on the wire."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emails.composition.compose import compose
from emails.composition.envelope import Attachment, Envelope
from emails.composition.size import MAX_MESSAGE_BYTES, estimate
from tests.unit.emails.composition.test_compose import BODIES, ENVELOPES, envelope


def estimated(mail: Envelope) -> int:
    return estimate(
        mailboxes=[mail.sender, *mail.to, *mail.cc, *mail.reply_to],
        subject=mail.subject,
        bodies=[body for body in (mail.text, mail.html) if body is not None],
        headers=mail.headers,
        files=[(file.filename, len(file.content)) for file in mail.attachments],
    )


@given(ENVELOPES)
@settings(max_examples=150, deadline=None)
def test_the_estimate_is_an_upper_bound(mail: Envelope) -> None:
    assert estimated(mail) >= len(compose(mail, date="Wed, 25 Nov 2026 12:00:00 +0000"))


@given(BODIES)
@settings(max_examples=300, deadline=None)
def test_the_estimate_of_a_body_is_an_upper_bound(body: str) -> None:
    mail = envelope(text=body * 3, html=None)
    assert estimated(mail) >= len(compose(mail))


@pytest.mark.parametrize(
    "body",
    ["\n" * 9_999, "\r" * 9_999, "=\n" * 9_999, " \n" * 9_999, "é " * 9_999, "\0" * 9_999, "x" * 9_999],
)
def test_no_body_outgrows_its_estimate(body: str) -> None:
    mail = envelope(text=body, html=None)
    assert estimated(mail) >= len(compose(mail))


@given(st.integers(0, 300_000), st.text("日é a", min_size=1, max_size=255))
@settings(max_examples=50, deadline=None)
def test_the_estimate_of_a_file_is_close(size: int, name: str) -> None:
    file = Attachment(filename=name, content_type="a/b", content=bytes(size))
    mail = envelope(attachments=(file,))
    assert len(compose(mail)) <= estimated(mail) <= len(compose(mail)) * 1.1 + 4_096


def test_the_limit_lies_between_29_and_30_mb_of_files() -> None:
    assert MAX_MESSAGE_BYTES == 41_943_040
    mb = 1024 * 1024

    def of(size: int) -> int:
        return estimate(mailboxes=[], subject="", bodies=[], headers=[], files=[("a", size)])

    assert of(29 * mb) < MAX_MESSAGE_BYTES < of(30 * mb)
