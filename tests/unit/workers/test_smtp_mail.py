"""An envelope as SMTP carries it."""

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails.composition.compose import UnsafeMessage
from mailgrid.core.addresses import InvalidAddress, Mailbox
from tests.contracts.ses_mail import DELIVERY, envelope
from workers.transports.smtp_mail import dot_stuffed, mail_of, with_line_ends

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)

_RAW = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"..", b"a", b" "])).map(b"".join)


def test_every_recipient_is_named_once_and_the_hidden_ones_only_to_the_server():
    mail = mail_of(
        envelope(
            to=(Mailbox(address="ann@example.org", name="Ann"),),
            cc=(Mailbox(address="bob@example.net"),),
            bcc=(Mailbox(address="eve@example.com"), Mailbox(address="ann@example.org")),
        ),
        now=NOW,
    )
    assert (mail.sender, mail.recipients) == (
        "hello@acme.example",
        ("ann@example.org", "bob@example.net", "eve@example.com"),
    )
    assert b"eve@" not in mail.content


def test_it_is_dated_and_a_repeat_carries_the_same_id():
    first, repeat = mail_of(envelope(), now=NOW), mail_of(envelope(fence=2), now=NOW)
    assert first == repeat
    assert first.message_id == f"{DELIVERY}@acme.example"
    read = message_from_bytes(first.content, policy=policy.default)
    assert (read["Date"].datetime, read["Message-ID"]) == (NOW, f"<{DELIVERY}@acme.example>")


def test_letters_beyond_ascii_need_nothing_of_the_server():
    mail = mail_of(
        envelope(
            subject="Überraschung 🎁",
            text="Grüße, 世界",
            html=None,
            sender=Mailbox(address="hello@acme.example", name="Füße"),
            headers=(("X-Customer", "Söhne"),),
        ),
        now=NOW,
    )
    assert mail.content.isascii()


def test_the_size_is_that_of_the_mail_and_not_of_its_doubled_dots():
    mail = mail_of(envelope(text=".\n..\n.x\n" * 10, html=None), now=NOW)
    assert len(mail.content) == mail.size + 30


@pytest.mark.parametrize("kind", ["sender", "to", "bcc"])
@pytest.mark.parametrize(
    "address", ["a@b.example>\r\nRCPT TO:<eve@example.net", "a b@c.example", "<a@b.example>", ""]
)
def test_an_address_never_becomes_a_command(kind, address):
    box = Mailbox(address=address)
    poisoned = envelope(**{kind: box if kind == "sender" else (box,)})
    with pytest.raises((UnsafeMessage, InvalidAddress)):
        mail_of(poisoned, now=NOW)


@given(_RAW)
def test_every_line_ends_alike_and_none_is_lost(raw):
    made = with_line_ends(raw)
    assert made.endswith(b"\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", made)
    lines = re.split(rb"\r\n|\r|\n", raw)
    assert made.split(b"\r\n") == (lines if not lines[-1] and raw else [*lines, b""])


@given(_RAW)
def test_the_other_side_reads_the_lines_that_were_meant(raw):
    meant = with_line_ends(raw)
    stuffed = dot_stuffed(meant)
    assert b"\r\n.\r\n" not in b"\r\n" + stuffed
    assert re.sub(rb"(?m)^\.", b"", stuffed) == meant
