"""A provider that refuses everything is left alone, tried now and then, and used again when it lets us in."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import DataError

from emails.delivery import breaking, settle
from emails.models import Attempt, Breaker, Delivery
from emails.transports import breakers
from mailgrid.core.bells import Priority
from mailgrid.core.clock import now
from tests.conftest import Actor, Api, Work
from tests.fakes.ses import FakeSes

pytestmark = pytest.mark.django_db


@pytest.fixture
def ses() -> Iterator[FakeSes]:
    """Amazon's stand-in."""
    with FakeSes() as running:
        yield running


@pytest.fixture
def client(acme: Actor, api: Callable[..., Api], ses: FakeSes, settings: Any) -> Api:
    """acme, which sends through its own account at the stand-in."""
    settings.UNSAFE_HOSTS = frozenset({"127.0.0.1"})
    own = api(acme)
    account = {
        "region": "eu-west-1",
        "access_key_id": "AKIDTEST",
        "secret_access_key": "secret",
        "endpoint_url": ses.url,
        "configuration_set": "mailgrid",
    }
    made = own.post("/api/transports", {"name": "main", "kind": "ses", "settings": account})
    assert made.status_code == 201, made.content
    for stream in own.get("/api/streams").json()["data"]:
        assert own.patch(f"/api/streams/{stream['id']}", {"transport": "main"}).status_code == 200
    return own


@pytest.fixture
def send(client: Api, mail: dict[str, Any]) -> Callable[..., str]:
    """Accept one mail; its id."""

    def accept(**more: Any) -> str:
        answer = client.post("/api/emails", mail | more)
        assert answer.status_code == 200, answer.content
        return str(answer.json()["id"])

    return accept


def states() -> list[str]:
    return sorted(Delivery.across_tenants.values_list("state", flat=True))


def wait_for_probe() -> None:
    """The time of the next probe has come."""
    Breaker.objects.update(probe_at=now() - timedelta(seconds=1))
    breakers._known.clear()


@pytest.mark.parametrize(
    ("mode", "reason", "cause"),
    [("quota", "account_quota", "quota"), ("paused", "account_paused", "paused")],
)
def test_refused_mail_is_held_the_rest_waits_untried_and_all_goes_out_when_a_probe_succeeds(
    mode: str, reason: str, cause: str, ses: FakeSes, send: Callable[..., str], work: Work
) -> None:
    ses.misbehave(mode)
    send()
    work.deliver(Priority.HIGH)
    held = Delivery.across_tenants.get()
    assert (held.state, held.hold_reason, held.attempts) == ("held", reason, 0)
    assert Breaker.objects.get().cause == cause
    requests = len(ses.requests())
    for _ in range(3):
        send()
    assert work.deliver(Priority.HIGH) == {}
    assert work.sweep().get("released") is None
    assert len(ses.requests()) == requests  # nobody asks before the probe is due

    wait_for_probe()
    assert work.deliver(Priority.HIGH)["held"] == 1  # one tries, and it is still so
    assert len(ses.requests()) == requests + 1
    assert Breaker.objects.get().probes == 1

    ses.misbehave()
    wait_for_probe()
    assert work.deliver(Priority.HIGH)["sent"] >= 1
    assert not Breaker.objects.exists()
    work.everything()
    assert states() == ["sent"] * 4
    assert len(ses.journal()) == 4


def test_a_held_mail_is_the_probe_where_nothing_else_waits(
    ses: FakeSes, send: Callable[..., str], work: Work
) -> None:
    ses.misbehave("quota")
    send()
    work.deliver(Priority.HIGH)
    ses.misbehave()
    assert work.sweep().get("released_by_accounts") is None
    wait_for_probe()
    assert work.sweep()["released_by_accounts"] == 1
    work.deliver(Priority.HIGH)
    assert states() == ["sent"]


def test_only_one_process_probes(ses: FakeSes, send: Callable[..., str], work: Work) -> None:
    ses.misbehave("quota")
    send()
    work.deliver(Priority.HIGH)
    wait_for_probe()
    row = Breaker.objects.get()
    at = now()
    assert [breakers.take_probe(row, now=at) for _ in range(3)] == [True, False, False]


def test_one_configuration_set_is_held_and_the_others_go_out(
    client: Api, ses: FakeSes, send: Callable[..., str], work: Work, acme: Actor
) -> None:
    breakers.trip(
        [
            breakers.Trouble(
                transport_id=_transport(client), scope="news", cause=breakers.Cause.PAUSED, words="paused"
            )
        ],
        now=now(),
    )
    assert client.patch("/api/streams/marketing", {"configuration_set": "news"}).status_code == 200
    send(stream="marketing")
    send()
    work.deliver()
    assert sorted(Delivery.across_tenants.values_list("stream__name", "state")) == [
        ("marketing", "held"),
        ("transactional", "sent"),
    ]


def test_new_credentials_are_tried_at_once(
    client: Api, ses: FakeSes, send: Callable[..., str], work: Work
) -> None:
    ses.change_account(credentials={"AKIDTEST": "rotated"})
    send()
    assert work.deliver(Priority.HIGH) == {"claimed": 1, "deferred": 1}
    send()
    assert work.deliver(Priority.HIGH) == {}
    assert Breaker.objects.get().cause == "auth"
    changed = client.patch("/api/transports/main", {"settings": {"secret_access_key": "rotated"}})
    assert changed.status_code == 200, changed.content
    work.transports.close()
    assert work.deliver(Priority.HIGH) == {"claimed": 1, "sent": 1}
    work.sweep(at=now() + timedelta(minutes=2))
    work.deliver(Priority.HIGH)
    assert states() == ["sent", "sent"]


def test_an_endpoint_that_nobody_reaches_is_left_alone(
    ses: FakeSes, send: Callable[..., str], work: Work
) -> None:
    ses.stop()
    for _ in range(breaking.NETWORK_FAILURES):
        send()
    work.deliver(Priority.HIGH)
    assert Breaker.objects.get().cause == "network"
    assert set(Attempt.objects.values_list("outcome", "error_class")) == {("deferred", "network")}
    send()
    assert work.deliver(Priority.HIGH) == {}
    ses.start()


def _transport(client: Api) -> UUID:
    return UUID(client.get("/api/transports/main").json()["id"])


def test_the_first_probe_comes_after_five_minutes(ses: FakeSes, send: Callable[..., str], work: Work) -> None:
    ses.misbehave("quota")
    send()
    before = now()
    work.deliver(Priority.HIGH)
    row = Breaker.objects.get()
    assert before <= row.opened_at <= now()
    assert row.probe_at - row.opened_at == timedelta(minutes=5)


def _held(client: Api, send: Callable[..., str], work: Work, ses: FakeSes) -> None:
    """A mail of the transactional stream, held by its account's quota, whose breaker has closed since."""
    ses.misbehave("quota")
    send()
    work.deliver(Priority.HIGH)
    breakers.forget(_transport(client))
    ses.misbehave()


def test_a_set_that_is_closed_keeps_no_other_mail_held(
    client: Api, ses: FakeSes, send: Callable[..., str], work: Work
) -> None:
    _held(client, send, work, ses)
    trouble = breakers.Trouble(
        transport_id=_transport(client), scope="gone", cause=breakers.Cause.AUTH, words="no such set"
    )
    breakers.trip([trouble], now=now())
    assert work.sweep()["released_by_accounts"] == 1
    work.deliver(Priority.HIGH)
    assert states() == ["sent"]


def test_a_set_that_nothing_waits_for_is_forgotten(client: Api, work: Work) -> None:
    trouble = breakers.Trouble(
        transport_id=_transport(client), scope="gone", cause=breakers.Cause.AUTH, words="no such set"
    )
    breakers.trip([trouble], now=now())
    wait_for_probe()
    work.sweep()
    assert not Breaker.objects.exists()


def test_the_probe_of_a_set_is_not_used_up_by_other_mail(
    client: Api, ses: FakeSes, send: Callable[..., str], work: Work
) -> None:
    assert client.patch("/api/streams/marketing", {"configuration_set": "news"}).status_code == 200
    trouble = breakers.Trouble(
        transport_id=_transport(client), scope="news", cause=breakers.Cause.PAUSED, words="paused"
    )
    breakers.trip([trouble], now=now())
    send(stream="marketing")
    work.deliver()
    assert states() == ["held"]
    wait_for_probe()
    send()
    assert work.deliver(Priority.HIGH) == {"claimed": 1, "sent": 1}
    assert Breaker.objects.get().probes == 0
    work.everything()
    assert states() == ["sent", "sent"]
    assert not Breaker.objects.exists()


def test_a_probe_that_found_nothing_to_send_may_be_made_again(
    client: Api, ses: FakeSes, send: Callable[..., str], work: Work
) -> None:
    _held(client, send, work, ses)
    trouble = breakers.Trouble(
        transport_id=_transport(client), scope="", cause=breakers.Cause.QUOTA, words="quota"
    )
    breakers.trip([trouble], now=now())
    cancelled = send()
    Delivery.across_tenants.filter(message_id=cancelled).update(cancel_requested=True)
    wait_for_probe()
    assert work.deliver(Priority.HIGH) == {"canceled": 1}
    row = Breaker.objects.get()
    assert (row.probes, row.probe_at <= now()) == (0, True)


def test_an_answer_that_no_database_takes_keeps_the_others_from_nothing(
    client: Api, ses: FakeSes, send: Callable[..., str], work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        send()
    poisoned = Delivery.across_tenants.order_by("pk").first()
    assert poisoned is not None
    move = settle.transitions.move

    def picky(moves: Any, *, now: Any) -> int:
        if any(one.delivery_id == poisoned.pk and one.attempt for one in moves):
            raise DataError("unsupported Unicode escape sequence")
        return move(moves, now=now)

    monkeypatch.setattr(settle.transitions, "move", picky)
    assert work.deliver(Priority.HIGH) == {"claimed": 3, "sent": 2}
    assert states() == ["sending", "sent", "sent"]
