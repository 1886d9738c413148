"""Which addresses of a name are connected to. Nothing here opens a socket."""

import socket
import threading
import time
from typing import Any

import pytest

from emails.delivery.ports import ErrorClass
from workers import dialing
from workers.dialing import NotReached, dial, seconds_left
from workers.transports import smtp_dialing
from workers.transports.smtp_errors import NotSent

PUBLIC, PRIVATE, LOOP = "1.1.1.1", "10.0.0.5", "127.0.0.1"


@pytest.fixture
def dialed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were tried; each of them refuses."""
    tried: list[str] = []

    def refuse(target: Any, timeout: float) -> Any:
        tried.append(target[1][0])
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(dialing, "_connected", refuse)
    return tried


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch):
    """`resolves("1.1.1.1", …)`: what every name stands for."""

    def to(*addresses: str) -> None:
        found = [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 587))
            for one in addresses
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    return to


def refused(
    host: str = "mail.example.com", *, allowed: frozenset[str] = frozenset(), seconds: float = 5
) -> Any:
    with pytest.raises(NotReached) as caught:
        dial(host, 587, allowed=allowed, deadline=time.monotonic() + seconds)
    return caught.value


def test_public_addresses_are_tried_in_their_order(resolves, dialed):
    resolves(PUBLIC, "2606:4700::1111")
    error = refused()
    assert dialed == [PUBLIC, "2606:4700::1111"]
    assert error.code == "connect"
    assert str(error).startswith("mail.example.com:587 cannot be reached")


def test_no_more_than_four_addresses_are_tried(resolves, dialed):
    resolves(*(f"1.1.1.{number}" for number in range(9)))
    refused()
    assert len(dialed) == 4


@pytest.mark.parametrize(
    "address",
    [
        PRIVATE,
        LOOP,
        "169.254.169.254",
        "::1",
        "::ffff:10.0.0.5",
        "fe80::1%eth0",
        "fd00::1",
        "64:ff9b::a00:5",
        "0.0.0.0",
    ],
)
def test_a_name_that_leads_inside_is_not_followed(resolves, dialed, address):
    """As when a name server changes its mind after the name was saved (DNS rebinding)."""
    resolves(address)
    error = refused()
    assert error.code == "forbidden_host"
    assert address not in str(error)
    assert dialed == []


@pytest.mark.parametrize("others", [(PRIVATE,), (LOOP, "::1"), ("2606:4700::1111", "fd00::1")])
def test_a_name_of_which_one_address_is_inside_leads_nowhere(resolves, dialed, others):
    resolves(PUBLIC, *others)
    assert refused().code == "forbidden_host"
    assert dialed == []


@pytest.mark.parametrize("allowed", [{"mail.example.com"}, {"MAIL.example.com "}, {PRIVATE}])
def test_what_the_operator_lists_may_be_inside(resolves, dialed, allowed):
    resolves(PRIVATE)
    assert refused(allowed=frozenset(allowed)).code == "connect"
    assert dialed == [PRIVATE]


def test_an_address_that_is_written_out_is_looked_at_too(dialed):
    assert refused("127.0.0.1").code == "forbidden_host"
    assert refused("[::1]").code == "forbidden_host"
    assert dialed == []


@pytest.mark.parametrize("error", [socket.gaierror(-2, "not known"), UnicodeError("label too long")])
def test_an_unknown_name_is_not_reached(monkeypatch, error):
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert refused().code == "dns"


def test_a_name_server_that_is_silent_does_not_hold_us_up(monkeypatch):
    ended = threading.Event()

    def silent(*_: Any, **__: Any) -> list[Any]:
        ended.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    error = refused(seconds=0.05)
    ended.set()
    assert error.code == "dns"


@pytest.mark.parametrize(
    ("address", "kind", "code"),
    [(PUBLIC, ErrorClass.NETWORK, "connect"), (PRIVATE, ErrorClass.AUTH, "forbidden_host")],
)
def test_a_hand_over_that_reaches_nobody_is_provably_not_sent(resolves, dialed, address, kind, code):
    resolves(address)
    with pytest.raises(NotSent) as caught:
        smtp_dialing.dial("mail.example.com", 587, allowed=frozenset(), deadline=time.monotonic() + 5)
    assert (caught.value.error.kind, caught.value.error.code) == (kind, code)


def test_past_the_deadline_there_is_no_time_left():
    with pytest.raises(TimeoutError):
        seconds_left(time.monotonic())
    assert seconds_left(float("inf")) == 3_600
