"""Which mail SES writes, and which we write (delivery.md 8.7)."""

from dataclasses import replace

import pytest

from emails.composition.envelope import Attachment
from emails.composition.shape import Shape, shape_of
from mailgrid.core.addresses import Mailbox
from tests.unit.emails.composition.test_compose import envelope

PLAIN = Attachment(filename="a.pdf", content_type="application/pdf", content=b"x", content_id="logo")


def headers(count: int) -> tuple[tuple[str, str], ...]:
    return tuple((f"X-{n}", "v") for n in range(count))


def test_plain_mail_is_simple() -> None:
    ann = Mailbox(address="ann@example.org", name="Änn")
    mail = envelope(
        subject="Grüße", cc=(ann,), bcc=(ann,), reply_to=(ann,), headers=headers(15), attachments=(PLAIN,)
    )
    assert shape_of(mail) is Shape.SIMPLE


def test_fields_that_are_not_sent_do_not_count() -> None:
    assert shape_of(envelope(headers=(*headers(15), ("Date", "é"), ("message-id", "x")))) is Shape.SIMPLE


@pytest.mark.parametrize("value", ["é", "", "v" * 996, "a\r\nBcc: x", "a\tb", "\x7f"])
def test_a_value_that_ses_does_not_take_makes_the_mail_raw(value: str) -> None:
    assert shape_of(envelope(headers=(("X-A", value),))) is Shape.RAW


@pytest.mark.parametrize(
    "name", ["Bcc", "X-SES-MESSAGE-TAGS", "Content-Type", "", "X A", "X:", "é", "X\r\nBcc"]
)
def test_a_name_that_nobody_may_set_goes_where_it_is_refused(name: str) -> None:
    assert shape_of(envelope(headers=((name, "v"),))) is Shape.RAW


def test_limits_hold_on_both_sides() -> None:
    assert shape_of(envelope(headers=headers(16))) is Shape.RAW
    assert shape_of(envelope(headers=(("X-A", "v" * 995),))) is Shape.SIMPLE


@pytest.mark.parametrize(
    "change",
    [
        {"filename": "März.pdf"},
        {"content_type": "text/csv; charset=utf-8"},
        {"content_type": f"a/{'b' * 77}"},
        {"content_id": "a" * 79},
    ],
)
def test_a_file_beyond_what_ses_documents_makes_the_mail_raw(change: dict[str, str]) -> None:
    assert shape_of(envelope(attachments=(replace(PLAIN, **change),))) is Shape.RAW  # type: ignore[arg-type]
