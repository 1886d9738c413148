"""What an SMTP server's replies say and prove."""

import pytest

from emails.delivery.ports import ErrorClass
from workers.transports.smtp_replies import (
    BadReply,
    Offers,
    Reply,
    Stage,
    classify,
    queue_id,
    read_line,
    read_offers,
    refusal,
)


def reply(text: str) -> Reply:
    """A reply from its lines, each with its code."""
    lines = text.split("\n")
    return Reply(int(lines[0][:3]), tuple(line[4:] for line in lines))


@pytest.mark.parametrize(
    ("line", "read"),
    [
        (b"250 2.0.0 Ok\r\n", (250, True, "2.0.0 Ok")),
        (b"250-SIZE 1000\r\n", (250, False, "SIZE 1000")),
        (b"250\r\n", (250, True, "")),
        (b"421 bye\n", (421, True, "bye")),
        ("550 größer\r\n".encode(), (550, True, "größer")),
        (b"550 a\x00b\x1b[31m\xffc\r\n", (550, True, "a b [31m�c")),
    ],
)
def test_a_line_of_a_reply_is_read_without_what_no_text_may_hold(line, read):
    assert read_line(line) == read


@pytest.mark.parametrize(
    "line", [b"\r\n", b"25 ok\r\n", b"100 go\r\n", b"600 ok\r\n", b"250ok\r\n", b"HTTP/1.1 400\r\n"]
)
def test_what_is_no_reply_is_not_read_as_one(line):
    with pytest.raises(BadReply):
        read_line(line)


@pytest.mark.parametrize(
    ("text", "enhanced", "words"),
    [
        ("550 5.1.1 no such user", "5.1.1", "no such user"),
        ("550 4.1.1 of another class", "", "of another class"),
        ("550 5.1.1", "5.1.1", ""),
        ("550 5.1.1234 too long", "", "5.1.1234 too long"),
        ("550-5.7.1 one\n550 5.7.1 two", "5.7.1", "one two"),
    ],
)
def test_enhanced_codes_are_taken_out_of_the_words(text, enhanced, words):
    assert (reply(text).enhanced, reply(text).words) == (enhanced, words)


def test_what_is_offered_is_read_in_any_case():
    lines = ["Pipelining", "SIZE 1000", "auth=LOGIN", "AUTH plain xoauth2", "STARTTLS"]
    assert read_offers(Reply(250, ("mx.example at your service", *lines))) == Offers(
        pipelining=True,
        starttls=True,
        takes_size=True,
        size=1_000,
        mechanisms=frozenset({"PLAIN", "LOGIN", "XOAUTH2"}),
    )


@pytest.mark.parametrize(
    ("line", "offers"),
    [
        ("SIZE", Offers(takes_size=True)),
        ("SIZE 0", Offers(takes_size=True)),
        ("SIZE plenty", Offers(takes_size=True)),
        ("SIZE ٣", Offers(takes_size=True)),
        ("PIPELINING", Offers(pipelining=True)),
        ("XPIPELINING", Offers()),
    ],
)
def test_what_is_offered_without_a_number_has_no_limit(line, offers):
    assert read_offers(reply(f"250-PIPELINING.example\n250 {line}")) == offers


@pytest.mark.parametrize(
    ("stage", "text", "kind"),
    [
        # Temporary: the waits of NETWORK grow, those of THROTTLED do not.
        ("recipient", "450 4.7.1 greylisted, see http://example", "network"),
        ("recipient", "450 4.2.0 <a@b.example>: Recipient address rejected: Greylisted", "network"),
        ("recipient", "452 4.2.2 mailbox full", "network"),
        ("recipient", "451 4.3.0 local error", "network"),
        ("sender", "452 4.3.1 insufficient system storage", "network"),
        ("connect", "421 4.3.2 shutting down", "network"),
        ("content", "451 4.3.0 queue file write error", "network"),
        ("login", "454 4.7.0 temporary authentication failure", "network"),
        ("tls", "454 4.7.0 TLS not available due to local problem", "network"),
        ("connect", "421 4.7.0 mx.example Error: too many connections from 192.0.2.1", "throttled"),
        ("connect", "421 4.7.0 Error: too many connections from 192.0.2.1", "throttled"),
        ("connect", "421 Too many concurrent sessions", "throttled"),
        ("recipient", "450 4.7.1 Error: too much mail from 192.0.2.1", "throttled"),
        ("recipient", "452 4.5.3 recipients", "throttled"),
        ("sender", "450 4.7.28 unusual", "throttled"),
        ("sender", "454 Throttling failure: Maximum sending rate exceeded.", "throttled"),
        ("sender", "421 4.4.2 Message submission rate for this client has exceeded the limit", "throttled"),
        ("content", "454 Throttling failure: Daily message quota exceeded.", "quota"),
        ("content", "550 5.4.5 Daily user sending limit exceeded", "quota"),
        ("content", "554 Message rejected: Sending suspended for this account.", "paused"),
        # Our log-in.
        ("sender", "530 5.7.0 Must issue a STARTTLS command first", "auth"),
        ("login", "535 5.7.8 bad", "auth"),
        ("login", "534 5.7.9 too weak", "auth"),
        ("sender", "538 5.7.11 encryption required", "auth"),
        ("login", "432 4.7.12 a password transition is needed", "auth"),
        ("login", "550 no", "auth"),
        ("sender", "550 5.7.1 Authentication required", "auth"),
        ("sender", "503 5.5.1 You must authenticate first", "auth"),
        ("recipient", "554 5.7.1 <a@b.example>: Relay access denied", "auth"),
        ("recipient", "550 5.7.1 a@b.example... Relaying denied", "auth"),
        ("recipient", "550 relay not permitted", "auth"),
        ("recipient", "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain", "auth"),
        ("recipient", "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked", "auth"),
        ("connect", "554 5.7.1 no SMTP service here", "auth"),
        ("hello", "501 5.5.4 bad name", "auth"),
        ("tls", "502 5.5.1 no", "auth"),
        # Our sender.
        ("recipient", "553 5.7.1 <me@acme.example>: Sender address rejected: not owned by user joe", "identity"),
        ("sender", "553 sorry, that is not yours", "identity"),
        ("sender", "550 5.7.1 no right to send as this", "identity"),
        ("sender", "501 5.1.7 bad sender address syntax", "identity"),
        ("content", "554 Message rejected: Email address is not verified. The following", "identity"),
        ("content", "554 5.2.252 SendAsDenied", "identity"),
        ("content", "550 5.7.60 SMTP; Client does not have permissions", "identity"),
        # This mail.
        ("sender", "552 5.3.4 too big", "content"),
        ("sender", "555 5.5.4 unsupported option", "content"),
        ("recipient", "550 5.1.1 <relay@b.example>: User unknown", "content"),
        ("recipient", "552 5.2.2 over quota for good", "content"),
        ("recipient", "552 too many recipients in one mail", "throttled"),
        ("recipient", "552 sorry", "network"),
        ("content", "550 5.7.1 looks like spam", "content"),
        ("content", "554 5.6.0 no", "content"),
        ("data", "554 5.5.1 no valid recipients", "content"),
        ("sender", "503 5.5.1 nested MAIL", "network"),
    ],
)  # fmt: skip
def test_what_a_refusal_proves(stage, text, kind):
    assert classify(reply(text), Stage(stage)) is ErrorClass(kind)


@pytest.mark.parametrize(
    "words",
    [
        "no <relay access denied@b.example>",
        "rejected for: too many bad words",
        "5.7.1 x Authentication required",
    ],
)
def test_only_the_first_words_of_a_server_decide_about_the_account(words):
    """Further on they may be a tenant's."""
    assert classify(reply(f"550 5.6.0 {words}"), Stage.CONTENT) is ErrorClass.CONTENT


def test_a_refusal_keeps_the_servers_words_within_bounds():
    error = refusal(reply(f"550-5.7.1 {'a' * 900}\n550 5.7.1 {'b' * 900}"), Stage.CONTENT)
    assert (error.code, len(error.message)) == ("550 5.7.1", 1_000)
    assert refusal(reply("451 "), Stage.DATA).message == "SMTP 451 without words"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("250 2.0.0 Ok: queued as 4F2A1B3C5D", "4F2A1B3C5D"),
        ("250 2.0.0 OK: queued as <x.1@mx.example>", "x.1@mx.example"),
        ("250 OK id=1rABcd-000123-XY", "1rABcd-000123-XY"),
        ("250 2.0.0 Message queued with id 18a9f0e2", "18a9f0e2"),
        ("250 2.6.0 <m@x.example> [InternalId=4711, Hostname=ex.example] Queued mail for delivery", "4711"),
        ("250 Message Queued (F3A0-11E4-9C2B.1)", "F3A0-11E4-9C2B.1"),
        ("250 2.0.0 OK  1700000000 x12-20020a05600c.12 - gsmtp", "x12-20020a05600c.12"),
        ("250 ok 1700000000 qp 12345", "1700000000 qp 12345"),
        ("250 2.0.0 x1A2b3C4012345 Message accepted for delivery", "x1A2b3C4012345"),
        ("250 Ok 0102018c1f2e3d4c-11111111-2222-000000", "0102018c1f2e3d4c-11111111-2222-000000"),
        ("250-2.0.0 thank you\n250 2.0.0 Ok: queued as ABC123", "ABC123"),
        ("250 2.0.0 Ok", ""),
        ("250 Requested mail action okay, completed", ""),
        ("250 2.0.0 Ok: queued as " + "x" * 5_000, ""),
    ],
)
def test_the_servers_name_for_a_mail_is_found_where_it_gives_one(text, name):
    assert queue_id(reply(text)) == name
