"""Two processes at the same rows: one waits, or leaves it, or begins anew; nothing is done twice or half."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection, transaction

from emails.delivery.claim import claim_batch
from emails.delivery.outcome import next_move
from emails.delivery.ports import Receipt
from emails.events import transitions
from emails.feedback import services as feedback
from emails.feedback.facts import Fact, FactKind
from emails.models import Attempt, Delivery, Event, Message
from mailgrid.core import locks
from mailgrid.core.bells import Priority
from mailgrid.core.clock import now
from mailgrid.core.locks import alone, until_done
from mailgrid.core.models import IdempotencyRecord, Pulse
from tests.integration.elsewhere import Elsewhere, elsewhere

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

EMAILS = "/api/emails"


@pytest.fixture
def other() -> Iterator[Elsewhere]:
    with elsewhere() as one:
        yield one


class Held:
    """A block that another connection is in, until it is let go."""

    def __init__(self, other: Elsewhere, block: Callable[[], Any]) -> None:
        self._in, self._out = threading.Event(), threading.Event()
        self._done = other.start(self._hold, block)
        assert self._in.wait(10)

    def _hold(self, block: Callable[[], Any]) -> None:
        with block():
            self._in.set()
            assert self._out.wait(30)

    def let_go(self) -> None:
        self._out.set()
        self._done.result(timeout=30)


# ---- Alone ----------------------------------------------------------------------------------------------------------


def test_a_name_belongs_to_one_at_a_time_and_is_free_at_the_end(other):
    held = Held(other, lambda: alone("x"))
    with alone("x") as nobody_else:
        assert not nobody_else
    with alone("y") as nobody_else:
        assert nobody_else
    held.let_go()
    for _ in range(2):
        with alone("x") as nobody_else:
            assert nobody_else


def test_a_name_is_free_after_a_failure(other):
    with pytest.raises(OSError, match="disk"), alone("x"):
        raise OSError("disk")
    held = Held(other, lambda: alone("x"))
    held.let_go()


def test_a_sweep_leaves_the_part_that_another_sweep_is_at(acme, api, mail, work, other):
    for more in ({"scheduled_at": "in 1 hour"}, {"scheduled_at": "in 1 hour", "expires_at": "in 2 hours"}):
        assert api(acme).post(EMAILS, {**mail, **more}).status_code == 200
    later = now() + timedelta(hours=3)
    held = Held(other, lambda: alone("sweep due"))
    assert work.sweep(at=later) == {"expired": 1}
    held.let_go()
    assert work.sweep(at=later) == {"due": 1}


# ---- Begun anew -----------------------------------------------------------------------------------------------------


def test_who_loses_a_deadlock_begins_anew_and_both_are_done():
    Pulse.objects.bulk_create([Pulse(name=name, at=now()) for name in ("a", "b")])
    both_have_one = threading.Barrier(2)
    tries = []

    def touch(first: str, then: str) -> None:
        def work() -> None:
            tries.append(first)
            with transaction.atomic():
                Pulse.objects.select_for_update().get(name=first)
                if len(tries) <= 2:
                    both_have_one.wait(10)
                Pulse.objects.filter(name=then).update(at=now() + timedelta(days=1))

        try:
            with connection.cursor() as cursor:
                cursor.execute("SET deadlock_timeout = '20ms'")
            until_done(work)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(touch, *names) for names in (("a", "b"), ("b", "a"))]:
            done.result(timeout=30)
    assert len(tries) == 3
    assert Pulse.objects.filter(at__gt=now()).count() == 2


def test_a_serialization_failure_is_tried_a_few_times_and_then_told(monkeypatch):
    monkeypatch.setattr(locks.time, "sleep", lambda _: None)
    tries = []

    def fail() -> None:
        tries.append(1)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40001'; END $$")

    with pytest.raises(OperationalError):
        until_done(fail)
    assert len(tries) == locks.TRIES


@pytest.mark.parametrize("code", ["55P03", "57014", "53300"])
def test_what_waiting_does_not_cure_is_told_at_once(code):
    tries = []

    def fail() -> None:
        tries.append(1)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{code}'; END $$")

    with pytest.raises(OperationalError):
        until_done(fail)
    assert len(tries) == 1


def test_inside_of_a_transaction_only_the_whole_can_begin_anew():
    tries = []

    def fail() -> None:
        tries.append(1)
        with connection.cursor() as cursor:
            cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$")

    with pytest.raises(OperationalError), transaction.atomic():
        until_done(fail)
    assert len(tries) == 1


# ---- The order of locks ---------------------------------------------------------------------------------------------


@pytest.fixture
def pair(acme, api, mail) -> list[Any]:
    """Two claimed deliveries, in the order of their ids."""
    assert api(acme).post(f"{EMAILS}/batch", [mail, mail]).status_code == 200
    claimed = claim_batch(Priority.HIGH, now=now())[1]
    return sorted((one.row for one in claimed), key=lambda row: row.delivery_id)


def is_locked(pk: UUID) -> bool:
    with transaction.atomic():
        return not Delivery.across_tenants.select_for_update(skip_locked=True).filter(pk=pk).exists()


def blocked_at_the_second(pair: list[Any], other: Elsewhere, work: Callable[[], Any]) -> None:
    """While somebody holds the second delivery, `work` waits for it, holding the first."""
    first, second = (row.delivery_id for row in pair)
    with transaction.atomic():
        Delivery.across_tenants.select_for_update().get(pk=second)
        done = other.start(work)
        other.wait_until_it_waits()
        with elsewhere() as third:
            assert third.do(is_locked, first)
    done.result(timeout=30)


def test_answers_lock_deliveries_in_the_order_of_their_ids(pair, other):
    moves = [
        next_move(row, Receipt(provider_message_id=f"p-{row.delivery_id}"), now=now(), random=lambda: 0.5)
        for row in reversed(pair)
    ]
    blocked_at_the_second(pair, other, lambda: transitions.move(moves, now=now()))
    assert set(Delivery.across_tenants.values_list("state", flat=True)) == {"sent"}


def test_facts_lock_deliveries_in_the_order_of_their_ids(pair, other, acme):
    facts = [
        Fact(
            kind=FactKind.DELIVERED,
            address="ann@example.com",
            occurred_at=now(),
            provider_message_id=f"p-{row.delivery_id}",
            delivery_id=row.delivery_id,
            fence=1,
            tenant_hex=acme.tenant.pk.hex,
            dedupe_key=str(row.delivery_id),
        )
        for row in reversed(pair)
    ]
    blocked_at_the_second(pair, other, lambda: feedback.apply(facts, now=now()))
    assert set(Delivery.across_tenants.values_list("state", flat=True)) == {"sent"}
    assert set(Message.across_tenants.values_list("status", flat=True)) == {"delivered"}


def test_a_settled_answer_and_the_providers_own_event_are_one_fact(pair, other, acme):
    """The event comes while the answer is being written: it waits for it, and changes nothing."""
    row = pair[0]
    told = Fact(
        kind=FactKind.SENT,
        address=None,
        occurred_at=now(),
        provider_message_id="p-1",
        delivery_id=row.delivery_id,
        fence=1,
        tenant_hex=acme.tenant.pk.hex,
        dedupe_key="sent p-1",
    )
    with transaction.atomic():
        transitions.move(
            [next_move(row, Receipt(provider_message_id="p-1"), now=now(), random=lambda: 0.5)], now=now()
        )
        done = other.start(feedback.apply, [told], now=now())
        other.wait_until_it_waits()
    assert done.result(timeout=30) == 0
    assert Event.across_tenants.filter(type="email.sent").count() == 1
    assert Attempt.objects.get(delivery_id=row.delivery_id).settled_by == "answer"


# ---- Idempotency keys -----------------------------------------------------------------------------------------------


@pytest.fixture
def keyed(acme, api, mail) -> Callable[[], Any]:
    """The same request under the same key, every time."""

    def post() -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '500ms'")
        return api(acme).post(EMAILS, mail, idempotency_key="k")

    return post


def test_while_the_first_request_runs_the_second_is_told_so_and_does_nothing(keyed, other):
    class Running:
        """The first request, its transaction still open."""

        def __enter__(self) -> None:
            self._atomic = transaction.atomic()
            self._atomic.__enter__()
            self.answer = keyed()

        def __exit__(self, *_: object) -> None:
            self._atomic.__exit__(None, None, None)

    first = Running()
    held = Held(other, lambda: first)
    refused = keyed()
    assert (refused.status_code, refused.headers["Retry-After"]) == (409, "1")
    assert refused.json()["name"] == "concurrent_idempotent_requests"
    assert Message.across_tenants.count() == 0
    held.let_go()
    assert (Message.across_tenants.count(), IdempotencyRecord.objects.count()) == (1, 1)
    again = keyed()
    assert (again.status_code, again.content) == (200, first.answer.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Message.across_tenants.count() == 1


def test_the_second_request_waits_for_the_first_and_gets_its_answer(keyed, other):
    with transaction.atomic():
        first = keyed()
        second = other.start(keyed)
        other.wait_until_it_waits()
    answer = second.result(timeout=30)
    assert (answer.status_code, answer.content) == (200, first.content)
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert Message.across_tenants.count() == 1


def test_when_the_first_request_fails_the_second_does_the_work(keyed, other):
    with transaction.atomic():
        assert keyed().status_code == 200
        second = other.start(keyed)
        other.wait_until_it_waits()
        transaction.set_rollback(True)
    answer = second.result(timeout=30)
    assert answer.status_code == 200
    assert "Idempotent-Replayed" not in answer.headers
    assert Message.across_tenants.count() == 1
