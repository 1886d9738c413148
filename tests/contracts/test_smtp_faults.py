"""However an SMTP server misbehaves: the expected class, and exactly one mail taken for each receipt (S01, S12)."""

import itertools
import tracemalloc
from collections.abc import Iterator

import pytest

from emails.delivery.ports import ErrorClass, Receipt
from tests.contracts.ses_mail import envelope
from tests.contracts.smtp_mail import assert_well, error_of, send, transport
from tests.fakes.smtp import Action, FakeSmtp, Rule, Stage
from workers.transports import smtp_breaker, smtp_channel, smtp_connection
from workers.transports.smtp import SmtpTransport

_BEFORE_THE_CONTENT = [stage for stage in Stage if stage not in (Stage.CONTENT, Stage.DOT, Stage.BETWEEN)]
_LOSING = [Action.CUT, Action.HANG, Action.GARBAGE, Action.OVERSIZED]


@pytest.fixture(scope="module")
def running() -> Iterator[FakeSmtp]:
    with FakeSmtp() as server:
        yield server


@pytest.fixture
def server(running: FakeSmtp) -> Iterator[FakeSmtp]:
    """Behaves until told otherwise; whatever it does, the client keeps to the protocol."""
    running.reset()
    yield running
    assert running.violations() == []


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_connection, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(smtp_breaker, "COOL_DOWN_SECONDS", 0.0)


@pytest.fixture
def sender(server: FakeSmtp) -> Iterator[SmtpTransport]:
    with transport(server) as sender:
        yield sender


@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize(("stage", "action"), list(itertools.product(_BEFORE_THE_CONTENT, _LOSING)))
def test_what_is_lost_before_the_content_is_not_sent(
    server: FakeSmtp, sender: SmtpTransport, stage: Stage, action: Action, kept: bool
) -> None:
    if kept:
        send(sender)
    taken = len(server.journal())
    server.misbehave(action, stage=stage)
    if kept and stage in {Stage.CONNECT, Stage.HELLO, Stage.TLS, Stage.LOGIN}:
        assert isinstance(send(sender), Receipt)  # a kept session meets none of these
        taken += 1
    else:
        assert error_of(send(sender, seconds=0.4)).kind is ErrorClass.NETWORK
    assert len(server.journal()) == taken
    assert_well(server, sender)


@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("taken", [True, False], ids=["taken", "not taken"])
@pytest.mark.parametrize("action", [*_LOSING, Action.DRIP])
def test_what_is_lost_after_the_final_dot_is_in_doubt_and_not_sent_again(
    server: FakeSmtp, sender: SmtpTransport, action: Action, taken: bool, kept: bool
) -> None:
    if kept:
        send(sender)
    before = len(server.journal())
    server.misbehave(action, taken=taken, drip_ms=50)
    assert error_of(send(sender, seconds=1.0)).kind is ErrorClass.DOUBT
    assert len(server.journal()) == before + taken
    assert server.counts()["data"] == 1 + kept
    assert_well(server, sender)


@pytest.mark.parametrize("code", ["354 go on", "334 VXNlcg=="])
def test_an_answer_to_the_dot_that_is_neither_yes_nor_no_is_in_doubt(
    server: FakeSmtp, sender: SmtpTransport, code: str
) -> None:
    server.misbehave("reply", text=code)
    error = error_of(send(sender))
    assert (error.kind, error.code) == (ErrorClass.DOUBT, "bad_reply")
    assert_well(server, sender)


_REFUSALS = [
    (Stage.CONNECT, "421 4.3.2 shutting down", ErrorClass.NETWORK),
    (Stage.CONNECT, "421 4.7.0 too many connections", ErrorClass.THROTTLED),
    (Stage.CONNECT, "554 5.7.1 no service here", ErrorClass.AUTH),
    (Stage.HELLO, "550 5.7.1 go away", ErrorClass.AUTH),
    (Stage.TLS, "454 4.7.0 TLS not available", ErrorClass.NETWORK),
    (Stage.LOGIN, "535 5.7.8 wrong", ErrorClass.AUTH),
    (Stage.LOGIN, "454 4.7.0 temporary failure", ErrorClass.NETWORK),
    (Stage.SENDER, "421 4.4.2 timeout", ErrorClass.NETWORK),
    (Stage.SENDER, "451 4.3.0 try later", ErrorClass.NETWORK),
    (Stage.SENDER, "550 5.7.1 not yours", ErrorClass.IDENTITY),
    (Stage.SENDER, "530 5.7.0 log in first", ErrorClass.AUTH),
    (Stage.RECIPIENT, "421 4.7.0 too many errors", ErrorClass.THROTTLED),
    (Stage.RECIPIENT, "450 4.2.0 greylisted", ErrorClass.NETWORK),
    (Stage.RECIPIENT, "550 5.1.1 nobody", ErrorClass.CONTENT),
    (Stage.RECIPIENT, "554 5.7.1 relay access denied", ErrorClass.AUTH),
    (Stage.DATA, "451 4.3.0 disk", ErrorClass.NETWORK),
    (Stage.DATA, "554 5.7.1 no", ErrorClass.CONTENT),
    (Stage.CONTENT, "552 5.3.4 enough", ErrorClass.CONTENT),
    (Stage.CONTENT, "421 4.3.0 out of memory", ErrorClass.NETWORK),
    (Stage.DOT, "421 4.3.0 shutting down", ErrorClass.NETWORK),
    (Stage.DOT, "451 4.7.1 try later", ErrorClass.NETWORK),
    (Stage.DOT, "454 Throttling failure: Maximum sending rate exceeded.", ErrorClass.THROTTLED),
    (Stage.DOT, "550 5.7.1 spam", ErrorClass.CONTENT),
]


@pytest.mark.parametrize("pipelining", [True, False], ids=["pipelined", "one by one"])
@pytest.mark.parametrize(("stage", "text", "kind"), _REFUSALS)
def test_a_refusal_is_not_sent_and_its_words_are_kept(
    server: FakeSmtp, sender: SmtpTransport, stage: Stage, text: str, kind: ErrorClass, pipelining: bool
) -> None:
    server.offer(pipelining=pipelining)
    server.misbehave("reply", stage=stage, text=text)
    error = error_of(send(sender))
    words = text[4:] if text[4].isalpha() else text.split(" ", 2)[2]
    assert (error.kind, error.code[:3], error.message) == (kind, text[:3], words)
    assert server.journal() == []
    assert_well(server, sender)


@pytest.mark.parametrize("stage", [Stage.SENDER, Stage.RECIPIENT, Stage.DATA, Stage.DOT])
def test_a_refused_mail_costs_no_new_session(server: FakeSmtp, sender: SmtpTransport, stage: Stage) -> None:
    server.misbehave("reply", stage=stage, text="550 5.0.0 not this one", count=1)
    send(sender)
    assert isinstance(send(sender), Receipt)
    assert server.counts()["connections"] == 1


def test_content_is_never_given_to_a_server_that_took_no_recipient(
    server: FakeSmtp, sender: SmtpTransport
) -> None:
    """RFC 2920 3.1: it may say go on all the same."""
    server.misbehave(
        Rule(stage=Stage.RECIPIENT, text="550 5.1.1 nobody"), Rule(stage=Stage.DATA, text="354 go on")
    )
    assert error_of(send(sender)).code == "550 5.1.1"
    assert_well(server, sender)
    assert server.counts()["connections"] == 2


@pytest.mark.parametrize("stage", [Stage.HELLO, Stage.SENDER, Stage.RECIPIENT, Stage.DATA, Stage.DOT])
def test_an_answer_too_many_is_never_taken_for_the_next_one(
    server: FakeSmtp, sender: SmtpTransport, stage: Stage
) -> None:
    server.misbehave(Action.TWICE, stage=stage)
    first, second = send(sender), send(sender)
    receipts = [answer for answer in (first, second) if isinstance(answer, Receipt)]
    assert [one.queue_id for one in server.journal()] == [one.provider_message_id for one in receipts]
    assert len(receipts) == (2 if stage is Stage.DOT else 0)
    assert_well(server, sender)


def test_a_drip_ends_at_the_deadline_of_the_whole_call(server: FakeSmtp, sender: SmtpTransport) -> None:
    server.misbehave(Action.DRIP, stage=Stage.HELLO, drip_ms=20)
    error = error_of(send(sender, seconds=0.5))
    assert (error.kind, error.code) == (ErrorClass.NETWORK, "deadline")


def test_a_reply_has_a_time_of_its_own(
    server: FakeSmtp, sender: SmtpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_channel, "REPLY_TIMEOUT", 0.2)
    server.misbehave(Action.DRIP, stage=Stage.HELLO, drip_ms=20)
    error = error_of(send(sender, seconds=30))
    assert (error.kind, error.code) == (ErrorClass.NETWORK, "reply_timeout")


def test_the_answer_to_the_dot_has_all_the_time_there_is(
    server: FakeSmtp, sender: SmtpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that looks through mail may need it, and giving up means a second copy."""
    monkeypatch.setattr(smtp_channel, "REPLY_TIMEOUT", 0.2)
    server.misbehave(Action.DRIP, drip_ms=15)
    assert isinstance(send(sender, seconds=30), Receipt)


@pytest.mark.parametrize("action", [Action.OVERSIZED, Action.ENDLESS])
def test_an_endless_answer_costs_no_memory(server: FakeSmtp, sender: SmtpTransport, action: Action) -> None:
    server.misbehave(action)
    tracemalloc.start()
    try:
        error = error_of(send(sender))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (error.kind, error.code) == (ErrorClass.DOUBT, "bad_reply")
    assert peak < 4 * 1024 * 1024  # the fake runs in this process and holds its 1 MB twice


def test_past_the_deadline_and_just_before_it_nothing_is_begun(
    server: FakeSmtp, sender: SmtpTransport
) -> None:
    for seconds in (-1.0, 0.04):
        error = error_of(send(sender, seconds=seconds))
        assert (error.kind, error.code, error.ours) == (ErrorClass.THROTTLED, "deadline", True)
    assert server.counts() == {}


def test_a_mail_without_time_for_its_answer_is_left_without_its_dot(
    server: FakeSmtp, sender: SmtpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(sender)
    monkeypatch.setattr(smtp_connection, "ANSWER_SECONDS", 4.8)
    server.misbehave(Action.DRIP, stage=Stage.SENDER, drip_ms=30)
    error = error_of(send(sender))
    assert (error.kind, error.code, error.ours) == (ErrorClass.THROTTLED, "deadline", True)
    assert len(server.journal()) == 1


_LARGE = envelope(html=None, text=f"{'x' * 900}\n" * 12_000)  # more than the sockets hold


@pytest.mark.parametrize("action", [Action.CUT, Action.GARBAGE, Action.OVERSIZED, Action.STALL])
def test_a_large_mail_that_is_lost_half_way_is_not_sent(
    server: FakeSmtp, sender: SmtpTransport, action: Action
) -> None:
    server.misbehave(action, stage=Stage.CONTENT)
    assert error_of(send(sender, _LARGE, seconds=1.5)).kind is ErrorClass.NETWORK
    assert server.journal() == []


def test_a_small_mail_that_is_lost_half_way_is_never_taken_for_sent(
    server: FakeSmtp, sender: SmtpTransport
) -> None:
    """Its dot may be on its way by then, and then it is in doubt."""
    for action in _LOSING:
        server.misbehave(action, stage=Stage.CONTENT)
        assert error_of(send(sender, seconds=0.4)).kind in {ErrorClass.NETWORK, ErrorClass.DOUBT}
    assert server.journal() == []


def test_a_server_that_has_enough_of_a_large_mail_is_heard(server: FakeSmtp, sender: SmtpTransport) -> None:
    server.misbehave("reply", stage=Stage.CONTENT, text="552 5.3.4 enough")
    error = error_of(send(sender, _LARGE, seconds=10))
    assert error.kind in {ErrorClass.CONTENT, ErrorClass.NETWORK}  # its words may be lost with the connection
    assert server.journal() == []


def test_a_mail_that_is_too_large_for_the_server_is_not_begun(
    server: FakeSmtp, sender: SmtpTransport
) -> None:
    server.offer(size=500)
    error = error_of(send(sender))
    assert (error.kind, error.code) == (ErrorClass.CONTENT, "too_large")
    assert "mail" not in server.counts()
