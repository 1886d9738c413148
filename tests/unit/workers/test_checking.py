"""One thread of a process checks at a time, and the watch never waits for a host."""

import pytest

from emails.transports import checks
from emails.transports.models import SANDBOX_ID, Transport, TransportCheck
from mailgrid.core.clock import now
from workers import checking
from workers.transports import registry
from workers.transports.sandbox import SandboxTransport


@pytest.fixture
def check(db) -> TransportCheck:
    return checks.ask(Transport.across_tenants.get(pk=SANDBOX_ID), now=now())


def test_a_second_thread_does_not_wait_for_the_first(check):
    with checking._busy:
        assert checking.check_alone() == {}
    assert checking.check_alone() == {"ok": 1}


def test_the_lock_is_free_again_after_trouble(check, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(checks, "run_due_checks", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            checking.check_alone()
    assert checking.check_alone() == {"ok": 1}


@pytest.mark.parametrize("where", ["building", "checking"])
def test_an_error_of_ours_is_a_finding_about_that_transport_alone(check, where, monkeypatch):
    def breaks(*_args: object) -> None:
        raise KeyError("settings")

    if where == "building":
        monkeypatch.setitem(registry._BUILDERS, "ses", lambda _row: {}[1])
    else:
        monkeypatch.setitem(registry._BUILDERS, "ses", lambda row: SandboxTransport(transport_id=row.pk))
        monkeypatch.setattr(SandboxTransport, "check", breaks)
    ses = Transport(name="main", kind="ses")
    (found,) = checking.look_at([ses])
    if where == "building":  # a kind nobody can build looks the same
        assert (found.kind, found.code) == ("auth", "misconfigured")
    else:
        assert (found.kind, found.code, found.message) == ("bug", "KeyError", "The check itself failed.")


def test_every_adapter_that_was_opened_is_closed(monkeypatch, db):
    closed = []
    monkeypatch.setattr(SandboxTransport, "close", lambda self: closed.append(self))
    row = Transport.across_tenants.get(pk=SANDBOX_ID)
    assert checking.look_at([row, row]) == [None, None]
    assert len(closed) == 2
