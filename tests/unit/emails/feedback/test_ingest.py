"""Notifications that fail: growing waits, a bounded number of times, and nobody is taken along."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from emails.events import retention
from emails.events.models import Notification
from emails.events.services import NewNotification, payload_of, store_notifications
from emails.feedback import ingest
from emails.transports.models import SANDBOX_ID
from mailgrid.core.clock import now

pytestmark = pytest.mark.django_db

POISON = '{"poison": true}'


def stored(body: str = "{}", **changes: Any) -> Notification:
    moment = now()
    values = {"state": "pending", "due_at": moment, "received_at": moment, **changes}
    return Notification.objects.create(transport_id=SANDBOX_ID, body=body, **values)


def fails(*_args: Any) -> Any:
    raise TimeoutError("no certificate today")


def work_off(at: datetime) -> dict[str, int]:
    return dict(ingest.ingest(envelopes=None, clock=lambda: at))


def states() -> list[str]:
    return list(Notification.objects.order_by("pk").values_list("state", flat=True))


def test_waits_grow_to_an_hour_and_end_after_ten_attempts(monkeypatch):
    monkeypatch.setattr(ingest, "facts", fails)
    row, clock = stored(), now()
    waits = []
    for _ in range(ingest.ATTEMPTS):
        clock = max(clock, row.due_at)
        work_off(clock)
        row.refresh_from_db()
        waits.append((row.due_at - clock).total_seconds())
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 0]
    assert (row.state, row.attempts) == ("exhausted", 10)
    assert row.result == "TimeoutError: no certificate today"
    assert work_off(clock + timedelta(days=1)) == {}


class Died(BaseException):
    """As when the process ends: nothing after it runs."""


def test_one_that_ends_its_worker_takes_its_neighbours_along_once_and_is_exhausted(monkeypatch):
    """Afterwards each of them comes alone, so that those without blame are worked off."""

    def deadly(body: dict[str, Any]) -> list[Any]:
        if "poison" in body:
            raise Died
        return []

    monkeypatch.setattr(ingest, "facts", deadly)
    stored(), stored(POISON), stored()
    clock, deaths = now(), 0
    while ingest.Notification.objects.filter(state__in=["pending", "processing"]).exists():
        try:
            work_off(clock)
        except Died:
            deaths += 1
        if deaths == 1:
            assert states() == ["processing"] * 3
        clock += timedelta(seconds=ingest.LEASE_SECONDS + 1)
        assert deaths <= ingest.ATTEMPTS
    assert deaths == ingest.ATTEMPTS
    assert states() == ["applied", "exhausted", "applied"]
    poison = Notification.objects.get(body=POISON)
    assert poison.result == "WornOut: its worker died each time"
    others = Notification.objects.exclude(pk=poison.pk).values_list("attempts", flat=True)
    assert max(others) == 2


def test_a_suspect_is_worked_off_before_anything_else_is_claimed(monkeypatch):
    claimed: list[list[str]] = []

    def look(body: dict[str, Any]) -> list[Any]:
        claimed.append(states())
        return []

    monkeypatch.setattr(ingest, "facts", look)
    stored(state="processing", lease_until=now() - timedelta(seconds=1))
    stored()
    work_off(now())
    assert claimed == [["processing", "pending"], ["applied", "processing"]]


def test_one_whose_key_is_missing_waits_encrypted_and_is_erased_when_it_is_dismissed(settings):
    new = NewNotification(transport_id=SANDBOX_ID, external_id=None, body='{"code": 4711}', confidential=True)
    store_notifications([new], now=now())
    row, keys = Notification.objects.get(), settings.ENCRYPTION_KEYS
    assert payload_of(row) == b'{"code": 4711}'
    settings.ENCRYPTION_KEYS = tuple(f"other{key}" for key in keys)
    assert work_off(now()) == {"pending": 1}
    row.refresh_from_db()
    assert row.sealed
    assert row.result.startswith("CannotDecrypt: encryption key")
    Notification.objects.update(state="exhausted")
    assert ingest.dismiss(notification_id=row.pk)
    row.refresh_from_db()
    assert (row.state, row.body) == ("ignored", "")


def test_only_an_exhausted_one_is_worked_off_again_or_dismissed():
    for state in Notification.State:
        row = stored(state=state, attempts=10)
        again = ingest.work_off_again(notification_id=row.pk, now=now())
        row.refresh_from_db()
        assert again == (state == "exhausted")
        assert (row.state, row.attempts) == (("pending", 0) if again else (state, 10))
        row = stored(state=state)
        assert ingest.dismiss(notification_id=row.pk) == (state == "exhausted")
        row.refresh_from_db()
        assert row.state == ("ignored" if state == "exhausted" else state)


@pytest.mark.parametrize(
    ("state", "days", "kept"),
    [
        ("applied", 6, True),
        ("applied", 8, False),
        ("exhausted", 8, True),
        ("exhausted", 31, False),
        ("pending", 400, True),
    ],
)
def test_dead_letters_are_kept_for_a_month(state, days, kept):
    stored(state=state, received_at=now() - timedelta(days=days))
    retention.delete_notifications(now=now())
    assert Notification.objects.exists() == kept
