"""Which mail SES writes, and which we write (delivery.md 8.7)."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from emails.composition.envelope import Attachment
from emails.composition.shape import MAX_TEMPLATE_DATA, Shape, shape_of, template_data
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
    assert shape_of(envelope(headers=(("X", "v" * 995),))) is Shape.SIMPLE
    assert shape_of(envelope(headers=(("X-A", "v" * 993),))) is Shape.SIMPLE
    assert shape_of(envelope(headers=(("X-A", "v" * 994),))) is Shape.RAW


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


def test_mail_that_may_share_is_an_entry_for_others() -> None:
    for parts in ({"html": None}, {"text": None}, {"subject": ""}, {"html": "{ %} }} {% $1 \\\\ {"}):
        assert shape_of(envelope(may_share=True, **parts)) is Shape.BULK
    assert shape_of(envelope()) is Shape.SIMPLE


@pytest.mark.parametrize(
    "change",
    [
        {"attachments": (PLAIN,)},
        {"subject": "Hi {{name}}"},
        {"html": "<p>{{{name}}}</p>"},
        {"text": "a {{ b"},
        {"html": None, "text": None},
        {"subject": "a\r\nBcc: x"},
        {"subject": "half a character: \ud800"},
        {"html": "half a character: \ud800"},
        {"headers": (("X-A", "1"), ("x-a", "2"))},
    ],
)
def test_what_a_template_might_change_goes_alone(change: dict[str, Any]) -> None:
    assert shape_of(envelope(may_share=True, **change)) is Shape.SIMPLE


def test_what_ses_cannot_write_is_no_entry_either() -> None:
    assert shape_of(envelope(may_share=True, headers=headers(16))) is Shape.RAW


def test_template_data_is_counted_in_characters_of_json() -> None:
    frame = len('{"subject":"","html":""}')
    room = MAX_TEMPLATE_DATA - frame
    mail = partial(envelope, may_share=True, text=None, subject="")
    assert shape_of(mail(html="x" * room)) is Shape.BULK
    assert shape_of(mail(html="x" * (room + 1))) is Shape.SIMPLE
    assert shape_of(mail(html="世" * room)) is Shape.BULK
    assert shape_of(mail(html='"' * (room // 2))) is Shape.BULK
    assert shape_of(mail(html='"' * (room // 2 + 1))) is Shape.SIMPLE


def test_template_data_is_the_whole_content() -> None:
    data = template_data(envelope(subject="Grüße", html="<b>", text="a\r\n"))
    assert data.decode() == '{"subject":"Grüße","html":"<b>","text":"a\\r\\n"}'
    assert template_data(envelope(subject="", html=None, text="a")) == b'{"subject":"","text":"a"}'
