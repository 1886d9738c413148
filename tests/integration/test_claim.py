"""The queue in the database: a fair claim, a journal before every call, and late answers that change nothing."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from emails.composition.envelope import Envelope
from emails.delivery import claim as claims
from emails.delivery import outcome
from emails.delivery.claim import BATCH, claim_batch
from emails.delivery.ports import Answer, AttemptKey, ErrorClass, Misconfigured, Receipt, TransportError
from emails.delivery.services import deliver, deliver_batch
from emails.events import transitions
from emails.messages.queue import claiming, passes
from emails.models import Attempt, Delivery, Event, Message, Recipient, Transport
from emails.transports.models import SANDBOX_ID
from mailgrid.core.bells import Priority
from mailgrid.core.cache import forget_everything
from mailgrid.core.clock import now
from mailgrid.core.models import Pulse
from mailgrid.core.sqlite import base
from mailgrid.core.sqlite.base import FairLock

HIGH = Priority.HIGH
EMAILS = "/api/emails"
FAILED = TransportError(kind=ErrorClass.CONTENT, code="MessageRejected", message="No.")
LATER = TransportError(kind=ErrorClass.NETWORK, code="refused", message="Not now.")
# Threads see committed rows only; the flush behind such a test would take what migrations had made, too.
THREADS = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def queue(api, mail) -> Callable[..., list[UUID]]:
    """`queue(acme, 200)`: the ids of as many queued deliveries, oldest first."""

    def some(actor: Any, count: int, **more: Any) -> list[UUID]:
        client = api(actor)
        ids: list[str] = []
        while len(ids) < count:
            batch = [{**mail, "from": actor.sender, **more}] * min(500, count - len(ids))
            ids += [one["id"] for one in client.post(f"{EMAILS}/batch", batch).json()["data"]]
        rows = Delivery.across_tenants.filter(message_id__in=ids)
        return list(rows.order_by("message_id").values_list("pk", flat=True))

    return some


class Spy:
    """A transport, and where to find it, that remembers what it was given and asks `look` at each call."""

    touches_database = False

    def __init__(self, look: Callable[[Envelope], Answer] | None = None) -> None:
        self.calls: list[list[Envelope]] = []
        self._look = look or (lambda envelope: Receipt(provider_message_id=f"p-{envelope.delivery_id}"))
        self._lock = threading.Lock()

    def get(self, _transport_id: UUID) -> Any:
        return self

    def plan(self, envelopes: Sequence[Envelope]) -> Sequence[Sequence[Envelope]]:
        return [[envelope] for envelope in envelopes]

    def send(self, call: Sequence[Envelope], *, deadline: float) -> Sequence[Answer]:
        assert deadline > time.monotonic()
        with self._lock:
            self.calls.append(list(call))
        return [self._look(envelope) for envelope in call]

    def recall(self, attempts: Sequence[AttemptKey]) -> Mapping[AttemptKey, Receipt] | None:
        return {}


@pytest.fixture
def pool() -> Any:
    with ThreadPoolExecutor(4) as executor:
        yield executor


def tenants_of(claimed: Sequence[Any]) -> Counter[UUID]:
    return Counter(one.row.tenant_id for one in claimed)


def rows() -> dict[str, Any]:
    """Everything a move could change."""
    return {
        "deliveries": list(Delivery.across_tenants.order_by("pk").values()),
        "recipients": list(Recipient.across_tenants.order_by("pk").values()),
        "messages": list(Message.across_tenants.order_by("pk").values()),
        "events": list(Event.across_tenants.order_by("pk").values()),
    }


# ---- Fairness -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["before all", "the first", "the second", "the third", "behind all"])
@pytest.mark.parametrize("crowded", [0, 1, 2])
def test_a_backlog_of_one_tenant_costs_the_others_nothing(acme, globex, operator, queue, start, crowded):
    actors = sorted((acme, globex, operator), key=lambda actor: actor.tenant.pk)
    ids = [actor.tenant.pk for actor in actors]
    queue(actors[crowded], 200)
    for place in {0, 1, 2} - {crowded}:
        queue(actors[place], 1)
    places = {"before all": UUID(int=1), "behind all": UUID(int=2**128 - 1)}
    claims._last_tenant[HIGH] = (
        places.get(start) or ids[("the first", "the second", "the third").index(start)]
    )
    _, claimed = claim_batch(HIGH, now=now())
    served = tenants_of(claimed)
    assert set(served) == set(ids)
    assert [served[ids[place]] for place in {0, 1, 2} - {crowded}] == [1, 1]
    assert served[ids[crowded]] >= BATCH // 3


def test_the_ring_goes_on_where_it_stopped(acme, globex, operator, queue, monkeypatch):
    monkeypatch.setattr(claims, "BATCH", 2)
    actors = sorted((acme, globex, operator), key=lambda actor: actor.tenant.pk)
    for actor in reversed(actors):  # the newest mail is the first tenant's: age must not lead the ring
        queue(actor, 6)
    claims._last_tenant[HIGH] = UUID(int=1)
    turns = [sorted(tenants_of(claim_batch(HIGH, now=now())[1])) for _ in range(6)]
    ids = [actor.tenant.pk for actor in actors]
    assert turns == [sorted({ids[2 * n % 3], ids[(2 * n + 1) % 3]}) for n in range(6)]


def test_within_a_tenant_the_oldest_go_first(acme, queue, monkeypatch):
    ids = queue(acme, 5)
    for place, pk in enumerate(reversed(ids)):
        Delivery.across_tenants.filter(pk=pk).update(
            due_at=now() - timedelta(hours=1) + timedelta(seconds=place)
        )
    monkeypatch.setattr(claims, "BATCH", 3)
    _, claimed = claim_batch(HIGH, now=now())
    assert [one.row.delivery_id for one in claimed] == ids[:1:-1]


def test_a_lane_is_a_priority_and_a_transport(acme, queue):
    high = queue(acme, 2)
    low = queue(acme, 2, priority=3)
    other = queue(acme, 1)
    memory = Transport.across_tenants.create(name="memory", kind="memory")
    Delivery.across_tenants.filter(pk__in=other).update(transport=memory)
    assert claiming.lanes(HIGH).transports == sorted([SANDBOX_ID, memory.pk])
    assert claiming.lanes(Priority.LOW).transports == [SANDBOX_ID]
    assert claiming.lanes(Priority.IMMEDIATE) is None
    assert {one.row.delivery_id for one in claim_batch(HIGH, now=now())[1]} == {*high, *other}
    assert {one.row.delivery_id for one in claim_batch(Priority.LOW, now=now())[1]} == {*low}


@pytest.mark.parametrize(
    "state", ["scheduled", "deferred", "held", "sending", "in_doubt", "sent", "canceled"]
)
def test_a_claim_sees_nothing_but_queued_rows(acme, queue, state):
    queue(acme, 2)
    Delivery.across_tenants.update(state=state)
    before = rows()
    assert claim_batch(HIGH, now=now()) == ({}, [])
    assert rows() == before


def test_a_suspect_is_claimed_alone_and_first_and_does_not_keep_the_others_waiting(acme, queue):
    ids = queue(acme, 3)
    Delivery.across_tenants.filter(pk__in=ids[1:]).update(suspect=True)
    claimed = [[one.row.delivery_id for one in claim_batch(HIGH, now=now())[1]] for _ in range(4)]
    assert claimed == [[ids[1]], [ids[0]], [ids[2]], []]


def test_a_lane_of_suspects_alone_is_seen(acme, queue):
    ids = queue(acme, 2, priority=0)
    Delivery.across_tenants.update(suspect=True)
    assert claiming.lanes(Priority.IMMEDIATE).with_suspects == {SANDBOX_ID}
    assert passes.priorities_with_work() == [Priority.IMMEDIATE]
    assert [one.row.delivery_id for one in claim_batch(Priority.IMMEDIATE, now=now())[1]] == ids[:1]


@THREADS
def test_threads_that_claim_at_the_same_time_never_get_the_same(acme, globex, queue):
    ids = {*queue(acme, 150), *queue(globex, 150)}
    start = threading.Barrier(4)

    def work() -> list[UUID]:
        mine: list[UUID] = []
        try:
            start.wait()
            while claimed := claim_batch(HIGH, now=now())[1]:
                mine += [one.row.delivery_id for one in claimed]
            return mine
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        shares = [future.result() for future in [threads.submit(work) for _ in range(4)]]
    everything = [pk for share in shares for pk in share]
    assert (len(everything), set(everything)) == (300, ids)
    assert set(Delivery.across_tenants.values_list("state", "fence", "attempts")) == {("sending", 1, 1)}
    assert Attempt.objects.count() == 300


# ---- The journal ----------------------------------------------------------------------------------------------------


@THREADS
@pytest.mark.parametrize("count", [1, 7], ids=["one call", "many calls"])
def test_the_attempt_is_committed_before_the_transport_is_called(acme, queue, pool, count):
    ids = queue(acme, count)
    seen: list[tuple[Any, ...]] = []

    def look(envelope: Envelope) -> Answer:
        def journal() -> None:  # another thread: another connection, that sees what is committed
            row = Attempt.objects.select_related("delivery").get(delivery_id=envelope.delivery_id)
            seen.append((row.delivery_id, row.fence, row.outcome, row.ended_at, row.delivery.state))
            assert row.delivery.lease_until > now() + timedelta(seconds=60)
            connection.close()

        with ThreadPoolExecutor(1) as other:
            other.submit(journal).result()
        return Receipt(provider_message_id="p")

    spy = Spy(look)
    summary = deliver_batch(priority=HIGH, transports=spy, pool=pool)
    assert summary == {"claimed": count, "sent": count}
    assert sorted(seen) == sorted((pk, 1, "started", None, "sending") for pk in ids)
    assert set(Attempt.objects.values_list("outcome", "settled_by")) == {("sent", "answer")}


def test_fifty_recipients_are_one_call(acme, api, mail, pool):
    to = [f"a{n}@example.com" for n in range(48)]
    api(acme).post(EMAILS, {**mail, "to": to, "cc": "cc@example.com", "bcc": "bcc@example.com"})
    spy = Spy()
    deliver(priority=HIGH, transports=spy, pool=pool)
    ((envelope,),) = spy.calls
    assert [mailbox.address for mailbox in envelope.recipients] == [*to, "cc@example.com", "bcc@example.com"]
    assert (len(envelope.to), len(envelope.cc), len(envelope.bcc)) == (48, 1, 1)
    assert set(Recipient.across_tenants.values_list("status", flat=True)) == {"sent"}


def test_one_answer_of_each_kind_settles_its_own_delivery(acme, queue, pool):
    ids = queue(acme, 4)
    answers: dict[UUID, Answer] = {
        ids[0]: Receipt(provider_message_id="p-1"),
        ids[1]: FAILED,
        ids[2]: LATER,
        ids[3]: TransportError(kind=ErrorClass.DOUBT, code="reset", message=""),
    }
    spy = Spy(lambda envelope: answers[envelope.delivery_id])
    summary = deliver_batch(priority=HIGH, transports=spy, pool=pool)
    assert summary == {"claimed": 4, "sent": 1, "failed": 1, "deferred": 1, "in_doubt": 1}
    states = dict(Delivery.across_tenants.values_list("pk", "state"))
    assert [states[pk] for pk in ids] == ["sent", "failed", "deferred", "in_doubt"]
    assert [Delivery.across_tenants.get(pk=pk).message.status for pk in ids] == [states[pk] for pk in ids]
    assert set(Delivery.across_tenants.values_list("lease_until", flat=True)) == {None}
    assert Counter(Event.across_tenants.values_list("type", flat=True)) == {
        "email.queued": 4,
        "email.sent": 1,
        "email.failed": 1,
    }


def test_what_does_not_count_takes_its_attempt_back(acme, queue, pool):
    queue(acme, 1)
    throttled = TransportError(kind=ErrorClass.THROTTLED, code="429", message="Slow down.")
    for fence in (1, 2, 3):
        deliver_batch(priority=HIGH, transports=Spy(lambda _: throttled), pool=pool)
        row = Delivery.across_tenants.get()
        assert (row.state, row.attempts, row.fence) == ("deferred", 0, fence)
        Delivery.across_tenants.update(state="queued")
        Transport.across_tenants.update(slowed_to=None)  # the pace is not what this is about
        forget_everything()
    assert Attempt.objects.count() == 3


def test_a_defect_of_one_delivery_takes_no_other_along(acme, queue, pool):
    ids = queue(acme, 3)
    Message.across_tenants.filter(deliveries=ids[1]).update(sender="not an address")
    spy = Spy()
    assert deliver_batch(priority=HIGH, transports=spy, pool=pool) == {"claimed": 3, "sent": 2, "deferred": 1}
    broken = Delivery.across_tenants.get(pk=ids[1])
    assert (broken.state, broken.attempts) == ("deferred", 1)
    for _ in range(2):
        Delivery.across_tenants.filter(pk=ids[1]).update(state="queued")
        deliver_batch(priority=HIGH, transports=spy, pool=pool)
    broken.refresh_from_db()
    assert (broken.state, broken.hold_reason) == ("held", "quarantined")


def test_a_missing_account_defers_its_mail(acme, queue, pool):
    class Nowhere(Spy):
        def get(self, _transport_id: UUID) -> Any:
            raise Misconfigured("no keys")

    queue(acme, 2)
    assert deliver_batch(priority=HIGH, transports=Nowhere(), pool=pool) == {"claimed": 2, "deferred": 2}
    assert set(Attempt.objects.values_list("error_class", "error_code")) == {("auth", "misconfigured")}


# ---- Late answers ---------------------------------------------------------------------------------------------------


@pytest.fixture
def twice(acme, queue, work) -> tuple[Any, Any]:
    """The same delivery as its first worker claimed it, frozen past its lease, and as its second one did."""
    queue(acme, 1)
    (first,) = claim_batch(HIGH, now=now())[1]
    Delivery.across_tenants.update(lease_until=now() - timedelta(seconds=1))
    work.sweep()
    (second,) = claim_batch(HIGH, now=now())[1]
    assert (first.row.fence, second.row.fence) == (0, 1)
    return first.row, second.row


def settle(row: Any, answer: Answer) -> int:
    return transitions.move([outcome.next_move(row, answer, now=now(), random=lambda: 0.5)], now=now())


@pytest.mark.parametrize(
    "answer", [FAILED, LATER, TransportError(kind=ErrorClass.DOUBT, code="x", message="")]
)
def test_a_late_answer_that_proves_nothing_changes_nothing(twice, answer):
    before = rows()
    assert settle(twice[0], answer) == 0
    assert rows() == before
    assert settle(twice[1], Receipt(provider_message_id="p-2")) == 1


def test_a_late_proof_of_sending_raises_the_delivery(twice):
    assert settle(twice[0], Receipt(provider_message_id="p-1")) == 1
    row = Delivery.across_tenants.get()
    assert (row.state, row.fence, row.lease_until, row.suspect) == ("sent", 2, None, False)
    assert Message.across_tenants.get().status == "sent"
    before = rows()
    assert settle(twice[1], FAILED) == 0  # the second worker's own answer comes too late
    assert rows() == before
    assert Attempt.objects.get(fence=2).outcome == "failed"  # but its attempt is told


@pytest.mark.parametrize("state", ["canceled", "failed", "expired", "unknown"])
def test_a_late_proof_is_the_only_way_out_of_a_terminal_state(twice, state):
    Delivery.across_tenants.update(state=state)
    Recipient.across_tenants.update(status=state, rank=10)
    for answer in (FAILED, LATER):
        before = rows()
        settle(twice[1], answer)
        assert rows() == before
    assert settle(twice[1], Receipt(provider_message_id="p")) == 1
    assert (Delivery.across_tenants.get().state, Recipient.across_tenants.get().status) == ("sent", "sent")


def test_a_late_proof_never_lowers_what_is_known_already(twice):
    Recipient.across_tenants.update(status="complained", rank=90)
    settle(twice[0], Receipt(provider_message_id="p-1"))
    assert (Delivery.across_tenants.get().state, Recipient.across_tenants.get().status) == (
        "sent",
        "complained",
    )
    assert Message.across_tenants.get().status == "complained"


@pytest.mark.parametrize(
    "answer", [Receipt(provider_message_id="p"), FAILED, LATER], ids=["sent", "failed", "deferred"]
)
def test_settling_twice_changes_nothing_the_second_time(acme, queue, answer):
    queue(acme, 1)
    (one,) = claim_batch(HIGH, now=now())[1]
    assert settle(one.row, answer) == 1
    before = rows()
    assert settle(one.row, answer) == 0
    assert rows() == before


def test_a_settle_among_others_that_finds_its_row_moved_on_leaves_the_others_alone(acme, queue):
    queue(acme, 3)
    claimed = [one.row for one in claim_batch(HIGH, now=now())[1]]
    gone = claimed[1].delivery_id
    Delivery.across_tenants.filter(pk=gone).update(state="in_doubt")
    Message.across_tenants.filter(deliveries=gone).update(status="in_doubt")
    before = Delivery.across_tenants.filter(pk=gone).values().get()
    moves = [outcome.next_move(row, FAILED, now=now(), random=lambda: 0.5) for row in claimed]
    assert transitions.move(moves, now=now()) == 2
    assert Delivery.across_tenants.filter(pk=gone).values().get() == before
    assert Counter(Message.across_tenants.values_list("status", flat=True)) == {"failed": 2, "in_doubt": 1}


# ---- What it costs --------------------------------------------------------------------------------------------------


def queries(work: Callable[[], Any]) -> int:
    with CaptureQueriesContext(connection) as context:
        work()
    return len(context)


@pytest.mark.parametrize("batch", [False, True], ids=["single", "batch"])
def test_accepting_a_hundred_costs_what_accepting_one_does(acme, api, mail, batch, django_assert_num_queries):
    client = api(acme)
    path, one = (f"{EMAILS}/batch", [mail]) if batch else (EMAILS, mail)
    client.post(path, one)  # what the process remembers
    single = queries(lambda: client.post(path, one))
    hundred = [
        {**mail, "to": f"a{n}@example.com", "cc": "b@example.com", "subject": str(n)} for n in range(100)
    ]
    with django_assert_num_queries(single):
        assert client.post(f"{EMAILS}/batch", hundred).status_code == 200
    assert single <= 10


def test_claiming_and_settling_49_costs_what_one_does(acme, queue, pool, django_assert_num_queries):
    queue(acme, 1)
    deliver_batch(priority=HIGH, transports=Spy(), pool=pool)  # the process remembers the account's limits
    claims._last_tenant[HIGH] = UUID(int=1)
    queue(acme, 1)
    single = queries(lambda: deliver_batch(priority=HIGH, transports=Spy(), pool=pool))
    claims._last_tenant[HIGH] = UUID(int=1)
    queue(acme, 49)
    with django_assert_num_queries(single):
        deliver_batch(priority=HIGH, transports=OneCall(), pool=pool)
    assert single <= 30


class OneCall(Spy):
    """Takes a batch together, so that it is settled together."""

    def plan(self, envelopes: Sequence[Envelope]) -> Sequence[Sequence[Envelope]]:
        return [envelopes]


def test_an_idle_worker_takes_no_lock(db, pool):
    with CaptureQueriesContext(connection) as context:
        assert deliver(priority=HIGH, transports=Spy(), pool=pool) == {}
    assert len(context) == 1
    said = context[0]["sql"]
    assert said.split()[0] in {"SELECT", "WITH"}
    assert not any(word in said for word in ("BEGIN", "UPDATE", "INSERT"))


def test_a_sweep_costs_the_same_for_any_number(acme, queue, work, django_assert_num_queries):
    def prepare(count: int) -> None:
        Delivery.across_tenants.filter(pk__in=queue(acme, count)).update(state="deferred", due_at=now())

    work.sweep()
    prepare(1)
    single = queries(work.sweep)
    Delivery.across_tenants.all().delete()
    prepare(60)
    with django_assert_num_queries(single):
        work.sweep()


def plans(work: Callable[[], Any]) -> list[str]:
    """How SQLite finds deliveries in every statement that `work` executes."""
    statements: list[tuple[str, Any]] = []

    def remember(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(remember):
        work()
    steps: list[str] = []
    with connection.cursor() as cursor:
        for sql, params in statements:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
            steps += [row[3] for row in cursor.fetchall()]
    return [step for step in steps if ON_DELIVERIES.match(step)]


ON_DELIVERIES = re.compile(r"(SCAN|SEARCH) (emails_delivery|d|x)\b")  # by its name, or as our SQL calls it
NOW = now()
FINDS: dict[str, tuple[Callable[[], Any], str]] = {
    "lanes": (lambda: claiming.lanes(HIGH), "emails_delivery_queued"),
    "a fair batch": (
        lambda: claiming.pick(priority=HIGH, transport_id=SANDBOX_ID, after_tenant=UUID(int=5), limit=50),
        "emails_delivery_queued",
    ),
    "a suspect": (lambda: claiming.pick_suspect(HIGH, [SANDBOX_ID]), "emails_delivery_suspect"),
    "work": (passes.priorities_with_work, "emails_delivery_queued"),
    "what is due": (lambda: passes.due(now=NOW, limit=5), "emails_delivery_waiting"),
    "ended leases": (
        lambda: passes.leases_ended(now=NOW, limit=5),
        "emails_delivery_leased",
    ),
    "doubts": (lambda: passes.doubts(now=NOW, limit=5), "emails_delivery_leased"),
    "what is too late": (lambda: passes.expired(now=NOW, limit=5), "emails_delivery_expiry"),
    "what may be released": (lambda: passes.releasable(now=NOW, limit=5), "emails_delivery_held"),
    "leases at the start": (lambda: passes.end_all_leases(now=NOW), "emails_delivery_leased"),
}


@pytest.mark.sqlite
@pytest.mark.parametrize("find", FINDS)
def test_the_whole_table_is_never_read(acme, queue, find):
    """Sweeps read it eleven times a second: a parameter in a condition hides a partial index from SQLite."""
    queue(acme, 30)
    work, index = FINDS[find]
    found = plans(work)
    assert any(index in step for step in found), found
    assert not [step for step in found if step.startswith("SCAN") and "USING" not in step], found


# ---- The writers' queue ---------------------------------------------------------------------------------------------


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.001)


def test_the_fair_lock_hands_over_in_the_order_of_asking():
    lock, order = FairLock(), []
    lock.acquire()

    def wait(number: int) -> None:
        lock.acquire()
        order.append(number)
        time.sleep(0.002)
        lock.release()

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(12)]
    for place, thread in enumerate(threads, start=1):
        thread.start()
        wait_until(lambda place=place: len(lock._waiting) == place)
    lock.release()
    for thread in threads:
        thread.join(5)
    assert order == list(range(12))
    assert (lock._taken, len(lock._waiting)) == (False, 0)


def test_the_fair_lock_holds_one_at_a_time():
    lock, inside, most = FairLock(), 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(200):
            lock.acquire()
            inside += 1
            most = max(most, inside)
            inside -= 1
            lock.release()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (most, lock._taken) == (1, False)


@pytest.mark.sqlite
@THREADS
def test_writers_come_in_the_order_of_asking_and_readers_do_not_wait(acme):
    order: list[int] = []
    lock = base._writers[str(connection.settings_dict["NAME"])]

    def write(number: int) -> None:
        with transaction.atomic():
            Pulse.objects.update_or_create(name=str(number), defaults={"at": now()})
            order.append(number)
        connection.close()

    with ThreadPoolExecutor(9) as threads:
        with transaction.atomic():
            Pulse.objects.create(name="first", at=now())
            futures = []
            for number in range(8):
                futures.append(threads.submit(write, number))
                wait_until(lambda number=number: len(lock._waiting) == number + 1)

            def read() -> int:
                try:
                    return Pulse.objects.count()
                finally:
                    connection.close()

            assert threads.submit(read).result(timeout=2) == 0
        for future in futures:
            future.result(timeout=5)
    assert order == list(range(8))
    assert Pulse.objects.count() == 9


@pytest.mark.sqlite
@THREADS
def test_a_writer_that_fails_gives_the_lock_back(acme):
    lock = base._writers[str(connection.settings_dict["NAME"])]
    for _ in range(3):
        with suppress(ZeroDivisionError), transaction.atomic():
            Pulse.objects.create(name="x", at=now())
            raise ZeroDivisionError
        assert not lock._taken

    def leave() -> None:  # a thread that ends in the middle of its transaction
        atomic = transaction.atomic()
        atomic.__enter__()
        Pulse.objects.create(name="y", at=now())
        connection.in_atomic_block = False
        connection.close()

    thread = threading.Thread(target=leave)
    thread.start()
    thread.join(5)
    assert not lock._taken
    Pulse.objects.create(name=str(uuid4())[:8], at=now())
    assert Pulse.objects.filter(name="y").count() == 0
