"""The finished mail: what it says, and that nothing else gets in (fault tests A15, A16)."""

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emails.composition.compose import UnsafeMessage, compose, verify
from emails.composition.envelope import Attachment, Envelope
from mailgrid.core.addresses import Mailbox

_LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])
NAMES = st.text(_LETTERS, max_size=60).map(lambda name: " ".join(name.split()).replace("=?", ""))
SUBJECTS = st.text(_LETTERS, max_size=300).filter(lambda subject: "=?" not in subject)
MAILBOXES = st.builds(
    Mailbox, address=st.from_regex(r"[a-z]{1,20}@[a-z]{1,20}\.test", fullmatch=True), name=NAMES
)
BODIES = st.text(st.characters(codec="utf-8"), max_size=3_000) | st.text("ab =.-\r\n\t", max_size=3_000)
FILE_NAMES = st.text(_LETTERS, max_size=255).map(lambda name: name.strip() or "a")
VALUES = st.text(_LETTERS, max_size=200).map(lambda value: " ".join(value.replace("=?", "").split()))
FILES = st.builds(
    Attachment,
    filename=FILE_NAMES,
    content_type=st.sampled_from(["application/pdf", "text/csv; charset=utf-8", "image/png"]),
    content=st.binary(max_size=2_000),
    content_id=st.none() | st.from_regex(r"[a-z0-9]{1,128}", fullmatch=True),
)


def envelope(**changes: Any) -> Envelope:
    """A plain mail from acme to ann."""
    plain: dict[str, Any] = {
        "delivery_id": UUID("01981e2c-5d3a-7c41-9a57-3f0c1b2d4e5f"),
        "fence": 1,
        "tenant_id": UUID("01981d00-aaaa-7bbb-8ccc-dddddddddddd"),
        "message_ref": UUID("01981e2c-5d39-7000-8000-000000000001"),
        "stream": "transactional",
        "sender": Mailbox(address="hello@acme.example", name="Acme"),
        "to": (Mailbox(address="ann@example.org"),),
        "subject": "Your receipt",
        "html": "<p>Thank you</p>\n",
        "text": "Thank you\n",
    }
    return Envelope(**(plain | changes))


ENVELOPES = st.builds(
    envelope,
    sender=MAILBOXES,
    to=st.lists(MAILBOXES, max_size=5).map(tuple),
    cc=st.lists(MAILBOXES, max_size=3).map(tuple),
    bcc=st.lists(MAILBOXES, max_size=3).map(tuple),
    reply_to=st.lists(MAILBOXES, max_size=5).map(tuple),
    subject=SUBJECTS,
    html=st.none() | BODIES,
    text=st.none() | BODIES,
    headers=st.lists(st.tuples(st.from_regex(r"X-[A-Z]{1,40}", fullmatch=True), VALUES), max_size=5).map(
        tuple
    ),
    attachments=st.lists(FILES, max_size=4).map(tuple),
)


ANN = Mailbox(address="ann@example.org")
LOGO = Attachment(filename="logo.png", content_type="image/png", content=b"\x89PNG\r\n\0", content_id="logo")
INVOICE = Attachment(filename="Rechnung März.pdf", content_type="application/pdf", content=b"%PDF-1.7" * 99)

# A16: all that some reader has taken for the end of a line, hidden or not, and what breaks a quoted value.
CORPUS = [
    *("\r\nBcc: x@evil.test", "\nBcc: x@evil.test", "\rBcc: x@evil.test", "\r\n\r\n<script>", "\n\nbody"),
    *(
        "\r\n Bcc: x@evil.test",
        "\r\n\tfolded",
        "\x85Bcc: x",
        "\u2028Bcc: x",
        "\u2029Bcc: x",
        "\vBcc: x",
        "\fBcc: x",
    ),
    *("\0", "\x1b", "\x7f", "\ud800", "\udc0a", "\udc8a"),
    *("=?utf-8?q?=0ABcc:_x@evil.test?=", "=?utf-8?q?=0D=0ABcc:_x?=", "=?utf-8?b?DQpCY2M6IHhAZXZpbC50ZXN0?="),
    *("=?utf-8?q?=C2=85?=", "=?utf-7?q?+AAo-?=", "=?utf-16?b?CgBCAA==?=", "=?x-unknown?q?a?="),
    *(
        '"',
        "\\",
        '"; x="',
        ">",
        "<",
        ">, <x@evil.test",
        "x:y;",
        ": ",
        ";",
        "\r\n--=_mg_01981e2c5d3a7c419a573f0c1b2d4e5f_1",
    ),
    *("x" * 1_200, "é" * 1_200, " " * 1_200, "x " * 1_200),
]
BREAKS_A_LINE = [evil for evil in CORPUS if re.search("[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]", evil)]


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def normal(text: str) -> str:
    """Line ends are the mail's own, and the last line always has one."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")


def unspaced(name: str) -> str:
    """The library puts a space between the encoded words of a display name."""
    return "".join(name.split())


def fields(raw: bytes) -> list[str]:
    """The names at the top of the mail, read as naively as any reader may: every kind of line end counts."""
    block = raw.partition(b"\r\n\r\n")[0].decode("latin-1")
    return [
        line.partition(":")[0] for line in re.split("[\r\n\v\f\x85]+", block) if line[:1] not in (" ", "\t")
    ]


def written(mail: Envelope) -> list[str]:
    return [mailbox.address for mailbox in (mail.sender, *mail.to, *mail.cc, *mail.reply_to)]


def shown(read: EmailMessage) -> list[str]:
    names = [name for name in ("From", "To", "Cc", "Reply-To") if name in read]
    return [address.addr_spec for name in names for address in read[name].addresses]


def forged(evil: str) -> Iterator[Envelope]:
    """The evil in every place that reaches a header, past all checks."""
    for text in (evil, f"a{evil}", f"a{evil}b"):
        yield envelope(subject=text)
        yield envelope(headers=((text, "v"),))
        yield envelope(headers=(("X-A", text),))
        for mailbox in (
            Mailbox(address="a@b.co", name=text),
            Mailbox(address=text),
            Mailbox(address=f"{text}@b.co"),
            Mailbox(address=f"a@{text}"),
        ):
            yield envelope(sender=mailbox)
            yield envelope(to=(mailbox,))
            yield envelope(cc=(ANN, mailbox))
            yield envelope(reply_to=(mailbox,))
        for change in (
            {"filename": text},
            {"content_type": text},
            {"content_type": f"image/png; a={text}"},
            {"content_id": text},
        ):
            file: dict[str, Any] = {
                "filename": "a",
                "content_type": "image/png",
                "content": b"x",
                "content_id": "i",
            }
            yield envelope(attachments=(Attachment(**(file | change)),))
            yield envelope(attachments=(Attachment(**(file | {"content_id": None} | change)),))


@pytest.mark.parametrize("evil", CORPUS)
def test_a_forged_value_adds_no_field(evil: str) -> None:
    for forgery in forged(evil):
        with suppress(UnsafeMessage):
            raw = compose(forgery)
            verify(raw, forgery)
            allowed = [
                "From",
                "To",
                "Cc",
                "Reply-To",
                "Subject",
                "Message-ID",
                "MIME-Version",
                "Content-Type",
            ]
            assert set(fields(raw)) <= {*allowed, *(name for name, _ in forgery.headers)}
            assert len(set(fields(raw))) == len(fields(raw))
            assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
            assert shown(parsed(raw)) == written(forgery)


@pytest.mark.parametrize("evil", BREAKS_A_LINE)
def test_a_forged_line_end_is_refused_in_every_place(evil: str) -> None:
    for forgery in forged(evil):
        with pytest.raises(UnsafeMessage):
            compose(forgery)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Bcc",
            "bcc",
            "From",
            "To",
            "Cc",
            "Sender",
            "Reply-To",
            "Subject",
            "Return-Path",
            "Received",
            "ARC-Seal",
        ),
        *("MIME-Version", "Content-Type", "DKIM-Signature", "X-SES-MESSAGE-TAGS", "X-Mailgrid-Tenant"),
        "X-SES-CONFIGURATION-SET",
    ],
)
def test_a_reserved_field_in_the_envelope_is_refused(name: str) -> None:
    with pytest.raises(UnsafeMessage):
        compose(envelope(headers=((name, "x"),)))


@pytest.mark.parametrize(
    ("found", "replacement"),
    [
        (b"Subject: ", b"Bcc: x@evil.test\r\nSubject: "),
        (b"Subject: ", b"X-A: b\r\nSubject: "),
        (b"Subject: Your receipt\r\n", b""),
        (b"Subject: Your", b"Subject:\n Your"),
        (b"Subject: Your", b"Subject: a\rBcc: x\r\n Your"),
        (b"Subject: Your", b"Subject: a\nBcc: x\r\n Your"),
        (b"Subject: Your", b"Subject: a\r\n\r\nYour"),
        (b"Subject: Your", b"Subject: a\r\n \r\n Your"),
        (b"Subject: Your", b"Subject: \xe9"),
        (b"Subject: Your", b"Subject: a\x00"),
        (b"Subject: Your", b"Subject: =?utf-8?q?=0ABcc:?="),
        (b"Subject: Your", b"Subject: =?utf-8?q?\r\n =0ABcc:?="),
        (b"Subject: Your", b"Subject: " + b"x" * 998),
        (b"Content-Type: text/html", b"Bcc: x@evil.test\r\nContent-Type: text/html"),
        (
            b"<p>Thank you</p>",
            b"\r\n--=_mg_01981e2c5d3a7c419a573f0c1b2d4e5f_1\r\nContent-Type: text/html\r\n\r\nx",
        ),
        (b"<p>Thank you</p>", b"\r\n--=_mg_01981e2c5d3a7c419a573f0c1b2d4e5f_1--\r\n"),
        (b"Content-Type: image/png", b"Content-Type: message/rfc822"),
        (b"Content-Type: image/png", b"Content-Type: multipart/mixed"),
    ],
)
def test_tampered_bytes_do_not_pass(found: bytes, replacement: bytes) -> None:
    mail = envelope(attachments=(LOGO,))
    raw = compose(mail)
    verify(raw, mail)
    assert found in raw
    with pytest.raises(UnsafeMessage):
        verify(raw.replace(found, replacement, 1), mail)


def test_what_the_library_alone_would_believe_is_refused() -> None:
    """An attachment whose base64 was replaced by a part of its own."""
    mail = envelope(attachments=(INVOICE,))
    raw = compose(mail)
    start = raw.index(b"JVBERi0")
    with pytest.raises(UnsafeMessage):
        verify(
            raw[:start] + b"\r\n--=_mg_01981e2c5d3a7c419a573f0c1b2d4e5f_2\r\nBcc: x\r\n\r\n" + raw[start:],
            mail,
        )


@given(ENVELOPES)
@settings(max_examples=150, deadline=None)
def test_the_mail_says_what_the_envelope_says(mail: Envelope) -> None:
    raw = compose(mail)
    verify(raw, mail)
    read = parsed(raw)
    assert read["Subject"] == mail.subject
    assert read["Message-ID"] == mail.message_id
    assert "Bcc" not in read
    assert shown(read) == written(mail)
    for name, mailboxes in (
        ("From", (mail.sender,)),
        ("To", mail.to),
        ("Cc", mail.cc),
        ("Reply-To", mail.reply_to),
    ):
        addresses = read[name].addresses if name in read else ()
        assert [unspaced(a.display_name) for a in addresses] == [unspaced(m.name) for m in mailboxes]
    for name in {name for name, _ in mail.headers}:
        assert read.get_all(name) == [value for key, value in mail.headers if key == name]
    assert_bodies(read, mail)
    files = [part for part in read.walk() if part.get_content_disposition()]
    assert {(f.get_filename(), f.get_payload(decode=True), f["Content-ID"]) for f in files} == {
        (a.filename, a.content, a.content_id and f"<{a.content_id}>") for a in mail.attachments
    }
    assert all(line.isascii() and len(line) <= 998 for line in raw.split(b"\r\n"))
    assert raw.count(b"\n") == raw.count(b"\r") == raw.count(b"\r\n")
    assert raw.endswith(b"\r\n")


def assert_bodies(read: EmailMessage, mail: Envelope) -> None:
    texts = [
        part
        for part in read.walk()
        if part.get_content_maintype() == "text" and not part.get_content_disposition()
    ]
    bodies = [("plain", mail.text), ("html", mail.html)]
    expected = [(kind, body) for kind, body in bodies if body is not None] or [("plain", "")]
    found = [(part.get_content_subtype(), part.get_payload(decode=True).decode()) for part in texts]  # type: ignore[union-attr]
    assert [(kind, normal(body)) for kind, body in found] == [(kind, normal(body)) for kind, body in expected]


@given(
    BODIES,
    st.sampled_from(
        ["--=_mg_01981e2c5d3a7c419a573f0c1b2d4e5f_1", "--=_mg_01981e2c5d3a7c419a573f0c1b2d4e5f_1--"]
    ),
)
@settings(deadline=None)
def test_a_body_that_holds_the_boundary_stays_a_body(body: str, boundary: str) -> None:
    mail = envelope(text=f"{body}\n{boundary}\n{body}", attachments=(LOGO, INVOICE))
    raw = compose(mail)
    verify(raw, mail)
    assert_bodies(parsed(raw), mail)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("plain\n", "7bit"),
        ("x" * 998, "7bit"),
        ("x" * 999, "quoted-printable"),
        ("a\0b", "quoted-printable"),
        ("Grüße an alle, die dies lesen\n", "quoted-printable"),
        ("日本語のメール\n", "base64"),
    ],
)
def test_a_body_takes_its_shortest_encoding(body: str, encoding: str) -> None:
    assert parsed(compose(envelope(text=body, html=None)))["Content-Transfer-Encoding"] == encoding


def test_half_a_character_in_a_body_is_refused() -> None:
    with pytest.raises(UnsafeMessage):
        compose(envelope(html="\ud83d"))


def test_parts_nest_as_mixed_related_alternative() -> None:
    read = parsed(compose(envelope(attachments=(INVOICE, LOGO))))
    assert [part.get_content_type() for part in read.walk()] == [
        *("multipart/mixed", "multipart/related", "multipart/alternative", "text/plain", "text/html"),
        *("image/png", "application/pdf"),
    ]
    assert [part.get_content_disposition() for part in read.walk()][-2:] == ["inline", "attachment"]


def test_the_same_envelope_gives_the_same_bytes() -> None:
    assert compose(envelope(attachments=(LOGO,))) == compose(envelope(attachments=(LOGO,)))
    assert compose(envelope()) != compose(envelope(delivery_id=UUID(int=1)))


def test_a_date_is_written_only_when_given_and_the_senders_own_never() -> None:
    mail = envelope(headers=(("Date", "yesterday"), ("message-id", "<forged@evil.test>")))
    date = "Wed, 25 Nov 2026 12:00:00 +0000"
    assert "Date" not in parsed(compose(mail))
    assert parsed(compose(mail)).get_all("Message-ID") == [mail.message_id]
    dated = compose(mail, date=date)
    assert parsed(dated).get_all("Date") == [date]
    verify(dated, mail, date=date)
    with pytest.raises(UnsafeMessage):
        verify(dated, mail)


def test_fifty_long_names_stay_within_the_line_limit() -> None:
    many = tuple(Mailbox(address=f"a{n}@example.org", name="日本" * 128) for n in range(50))
    raw = compose(envelope(to=many))
    assert all(len(line) <= 76 for line in raw.partition(b"\r\n\r\n")[0].split(b"\r\n"))
    assert [unspaced(address.display_name) for address in parsed(raw)["To"].addresses] == [
        box.name for box in many
    ]


def test_composing_takes_no_time_to_speak_of() -> None:
    """25 µs here; the bound is loose for busy machines, and far below the library's 1.3 ms."""
    mail = envelope()
    compose(mail)
    best = min(timed(mail) for _ in range(50))
    assert best < 300e-6


def timed(mail: Envelope) -> float:
    start = time.perf_counter()
    compose(mail)
    return time.perf_counter() - start
