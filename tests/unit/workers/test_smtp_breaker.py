"""While a server cannot be had, one thread tries and the others are told."""

import pytest
from structlog.testing import capture_logs

from emails.delivery.ports import ErrorClass, TransportError
from workers.transports import smtp_breaker
from workers.transports.smtp_breaker import Breaker
from workers.transports.smtp_errors import NotSent

DOWN = TransportError(kind=ErrorClass.NETWORK, code="connect", message="mail.example:587 cannot be reached")
WRONG = TransportError(kind=ErrorClass.AUTH, code="535 5.7.8", message="wrong password")


class Clock:
    def __init__(self) -> None:
        self.at = 1_000.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(smtp_breaker, "time", fake)
    return fake


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(transport="t", host="mail.example", port=587)


def may(breaker: Breaker) -> bool:
    try:
        breaker.check()
    except NotSent:
        return False
    return True


def test_nothing_is_in_the_way_while_all_is_well(breaker):
    assert [may(breaker) for _ in range(3)] == [True, True, True]


def test_after_a_failure_everybody_is_told_what_it_was(breaker):
    breaker.failed(DOWN)
    with pytest.raises(NotSent) as told:
        breaker.check()
    assert (told.value.error.kind, told.value.error.code) == (DOWN.kind, DOWN.code)
    assert told.value.error.message == f"Not tried again yet. {DOWN.message}"
    assert not told.value.gone


@pytest.mark.parametrize(("error", "seconds"), [(DOWN, 5.0), (WRONG, 60.0)])
def test_after_a_while_one_tries_and_the_others_go_on_waiting(breaker, clock, error, seconds):
    breaker.failed(error)
    clock.at += seconds - 0.1
    assert not may(breaker)
    clock.at += 0.1
    assert [may(breaker) for _ in range(3)] == [True, False, False]


def test_a_success_opens_it_for_everybody(breaker):
    breaker.failed(DOWN)
    breaker.succeeded()
    assert [may(breaker) for _ in range(3)] == [True, True, True]


def test_the_log_says_it_once_a_minute_and_when_it_is_over(breaker, clock):
    with capture_logs() as lines:
        for _ in range(16):
            breaker.failed(DOWN)
        clock.at += 60
        breaker.failed(DOWN)
        breaker.succeeded()
        breaker.succeeded()
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("workers.smtp.unreachable", "warning"),
        ("workers.smtp.unreachable", "warning"),
        ("workers.smtp.reachable", "info"),
    ]
    assert {name: lines[0][name] for name in ("host", "port", "transport", "code", "error")} == {
        "host": "mail.example",
        "port": 587,
        "transport": "t",
        "code": "connect",
        "error": DOWN.message,
    }
