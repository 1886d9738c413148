"""`manage.py alive`, as a health check calls it."""

import socket
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from mailgrid.core.clock import now
from workers.fleet.models import WorkerProcess
from workers.management.commands import alive


@pytest.fixture
def _heard(db: None) -> None:
    at = now() - timedelta(seconds=4)
    WorkerProcess.objects.create(
        host=socket.gethostname(), pid=1, queues=["send.low"], started_at=at, seen_at=at
    )


def ask(process: str) -> str:
    told = StringIO()
    call_command("alive", process, stdout=told)
    return told.getvalue()


@pytest.mark.usefixtures("_heard")
def test_a_process_that_was_heard_of_lately_is_alive() -> None:
    assert ask("worker-bulk") in {f"worker-bulk was heard of {seconds} s ago.\n" for seconds in (4, 5, 6)}


@pytest.mark.usefixtures("_heard")
def test_a_process_that_is_silent_too_long_is_not() -> None:
    WorkerProcess.objects.update(seen_at=now() - timedelta(seconds=31))
    with pytest.raises(CommandError, match=r"^worker-bulk has not been heard of for 30 s\.$"):
        ask("worker-bulk")


@pytest.mark.django_db
def test_a_process_that_was_never_heard_of_is_not() -> None:
    with pytest.raises(CommandError, match=r"^beat has not been heard of for 420 s\.$"):
        ask("beat")


def test_a_database_that_is_away_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_asked: Any, **_more: Any) -> None:
        raise OperationalError("connection refused\nIs the server running?")

    monkeypatch.setattr(alive, "last_sign", away)
    with pytest.raises(CommandError, match=r"^The database cannot be asked: connection refused$"):
        ask("worker-bulk")


def test_a_process_that_nobody_knows_is_refused() -> None:
    with pytest.raises(CommandError, match="invalid choice: 'bulk'"):
        ask("bulk")
