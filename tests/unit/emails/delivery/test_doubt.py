"""What becomes of a delivery whose outcome is unknown."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from emails.delivery.doubt import GRACE, LONE_CRASHES, LONGEST_GRACE, SLACK, decide, grace
from emails.delivery.outcome import GRACE_MAX
from emails.delivery.ports import AttemptKey, Misconfigured, Receipt
from emails.messages.moves import Move
from emails.messages.queue.passes import Doubt
from mailgrid.core.bells import Priority

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Transports:
    """A transport that knows what it took (`took`), knows nothing (None), or is not there; and its rule."""

    def __init__(
        self, took: Sequence[AttemptKey] | None = (), *, broken: bool = False, rule: str = "ask"
    ) -> None:
        self.took, self.broken, self.doubt_rule, self.asked = took, broken, rule, 0

    def get(self, _transport_id: UUID) -> Any:
        if self.broken:
            raise Misconfigured("no such account")
        return self

    def recall(self, attempts: Sequence[AttemptKey]) -> Mapping[AttemptKey, Receipt] | None:
        self.asked += 1
        if self.took is None:
            return None
        return {key: Receipt(provider_message_id="p-1") for key in attempts if key in self.took}


def doubt(**different: Any) -> Doubt:
    row = Doubt(
        delivery_id=uuid4(),
        message_id=uuid4(),
        tenant_id=uuid4(),
        test=False,
        transport_id=uuid4(),
        configuration_set="",
        fence=3,
        priority=Priority.HIGH,
        at_most_once=False,
        cancel_requested=False,
        suspect=True,
        crashes=1,
        lost_at=NOW,
    )
    return replace(row, **different)


def key(one: Doubt) -> AttemptKey:
    return AttemptKey(delivery_id=one.delivery_id, fence=one.fence)


def decided(
    one: Doubt, transports: Transports, at: datetime = NOW, reported: dict[str, datetime] | None = None
) -> Move | None:
    moves = decide([one], transports=transports, now=at, reported=lambda _: reported or {})
    return moves[0] if moves else None


def test_what_the_transport_took_is_sent():
    one = doubt(cancel_requested=True, crashes=7)
    move = decided(one, Transports([key(one)]))
    assert move is not None
    assert (move.to, move.fence, move.suspect, move.crashes) == ("sent", 3, False, 0)
    assert move.attempt is not None
    assert (move.attempt.outcome, move.attempt.settled_by, move.attempt.provider_message_id) == (
        "sent",
        "question",
        "p-1",
    )


def test_what_it_did_not_take_is_queued_again_at_once():
    move = decided(doubt(), Transports([]))
    assert move is not None
    assert (move.to, move.due_at, move.suspect, move.crashes) == ("queued", NOW, True, 1)
    assert move.attempt is not None
    assert (move.attempt.outcome, move.attempt.settled_by) == ("deferred", "question")


def test_an_answer_about_another_attempt_proves_nothing():
    one = doubt()
    other = AttemptKey(delivery_id=one.delivery_id, fence=one.fence - 1)
    move = decided(one, Transports([other]))
    assert move is not None
    assert move.to == "queued"


@pytest.mark.parametrize("at_most_once", [False, True])
def test_a_question_is_proof_whatever_the_stream_chose(at_most_once):
    move = decided(doubt(at_most_once=at_most_once), Transports([]))
    assert move is not None
    assert move.to == "queued"


def test_a_canceled_one_that_was_not_taken_is_canceled():
    move = decided(doubt(cancel_requested=True, crashes=LONE_CRASHES), Transports([]))
    assert move is not None
    assert move.to == "canceled"


@pytest.mark.parametrize(("crashes", "to"), [(LONE_CRASHES - 1, "queued"), (LONE_CRASHES, "held")])
def test_the_third_lone_crash_is_quarantined(crashes, to):
    move = decided(doubt(crashes=crashes), Transports([]))
    assert move is not None
    assert (move.to, move.reason) == (to, "quarantined" if to == "held" else "")


@pytest.mark.parametrize(
    "transports",
    [Transports(None), Transports([], rule="events"), Transports(broken=True)],
    ids=["cannot tell", "events only", "not there"],
)
@pytest.mark.parametrize("priority", Priority)
def test_where_nobody_can_be_asked_it_waits_and_then_is_unknown(transports, priority):
    one = doubt(priority=priority)
    end = NOW + GRACE_MAX[priority]
    assert decided(one, transports, end - timedelta(seconds=1)) is None
    move = decided(one, transports, end)
    assert move is not None
    assert (move.to, move.attempt and move.attempt.settled_by) == ("unknown", "grace")


EVENTS = Transports(None, rule="events")


@pytest.mark.parametrize("priority", Priority)
def test_silence_counts_once_the_grace_is_over_and_later_mail_was_reported(priority):
    one = doubt(priority=priority, configuration_set="bulk")
    end, later = NOW + GRACE[priority], NOW + SLACK + timedelta(seconds=1)
    assert decided(one, EVENTS, end - timedelta(seconds=1), {"bulk": later}) is None
    assert decided(one, EVENTS, end, {"bulk": NOW + SLACK}) is None  # events may still be under way
    assert (
        decided(one, EVENTS, end, {"": later, "other": later}) is None
    )  # another set's events prove nothing
    move = decided(one, EVENTS, end, {"bulk": later})
    assert move is not None
    assert (move.to, move.due_at, move.suspect) == ("queued", end, True)
    assert move.attempt is not None
    assert (move.attempt.outcome, move.attempt.settled_by) == ("deferred", "silence")


def test_a_doubt_that_was_cancelled_ends_with_the_silence_and_a_poisonous_one_is_quarantined():
    at, told = NOW + timedelta(hours=1), {"": NOW + timedelta(minutes=5)}
    canceled = decided(doubt(cancel_requested=True), EVENTS, at, told)
    poisonous = decided(doubt(crashes=3), EVENTS, at, told)
    assert canceled is not None
    assert poisonous is not None
    assert (canceled.to, poisonous.to, poisonous.reason) == ("canceled", "held", "quarantined")


def test_at_most_once_never_takes_silence_for_a_proof():
    one, told = doubt(at_most_once=True), {"": NOW + timedelta(hours=5)}
    assert decided(one, EVENTS, NOW + timedelta(hours=23), told) is None
    move = decided(one, EVENTS, NOW + timedelta(hours=24), told)
    assert move is not None
    assert move.to == "unknown"


SMTP = Transports(None, rule="grace")


@pytest.mark.parametrize("priority", Priority)
def test_where_nobody_can_tell_it_is_sent_again_after_the_grace(priority):
    one = doubt(priority=priority, fence=1)
    end = NOW + GRACE[priority]
    assert decided(one, SMTP, end - timedelta(seconds=1)) is None
    move = decided(one, SMTP, end)
    assert move is not None
    assert (move.to, move.due_at, move.uncounted, move.suspect, move.crashes) == (
        "queued",
        end,
        False,
        True,
        1,
    )
    assert move.attempt is not None
    assert (move.attempt.outcome, move.attempt.settled_by) == ("in_doubt", "grace")
    assert SMTP.asked == 0


@pytest.mark.parametrize("why", ["at_most_once", "cancel_requested"])
def test_where_nobody_can_tell_and_it_must_not_be_repeated_it_is_unknown(why):
    one = doubt(**{why: True}, priority=Priority.LOW, fence=1, crashes=LONE_CRASHES)
    end = NOW + timedelta(minutes=30)
    assert decided(one, SMTP, end - timedelta(seconds=1)) is None
    move = decided(one, SMTP, end)
    assert move is not None
    assert (move.to, move.attempt and move.attempt.settled_by) == ("unknown", "grace")


@pytest.mark.parametrize(("crashes", "to"), [(LONE_CRASHES - 1, "queued"), (LONE_CRASHES, "held")])
def test_the_third_lone_crash_is_quarantined_where_nobody_can_tell_too(crashes, to):
    move = decided(doubt(crashes=crashes), SMTP, NOW + timedelta(hours=1))
    assert move is not None
    assert (move.to, move.reason) == (to, "quarantined" if to == "held" else "")


def test_the_grace_is_the_priorities_at_first_and_grows_with_each_claim():
    assert {priority.value: grace(priority, 1) for priority in Priority} == {
        0: timedelta(minutes=2),
        1: timedelta(minutes=3),
        2: timedelta(minutes=3),
        3: timedelta(minutes=30),
    }
    assert [grace(Priority.HIGH, fence) for fence in (2, 3, 4, 5, 6, 10_000)] == [
        timedelta(minutes=6),
        timedelta(minutes=12),
        timedelta(minutes=24),
        timedelta(minutes=48),
        LONGEST_GRACE,
        LONGEST_GRACE,
    ]
    assert grace(Priority.IMMEDIATE, 3) == GRACE_MAX[Priority.IMMEDIATE] == timedelta(minutes=5)


def test_a_transport_is_asked_once_for_all_its_doubts():
    transports = Transports([])
    transport_id = uuid4()
    moves = decide(
        [doubt(transport_id=transport_id) for _ in range(5)],
        transports=transports,
        now=NOW,
        reported=lambda _: {},
    )
    assert (len(moves), transports.asked) == (5, 1)


def test_one_transport_that_is_not_there_keeps_no_other_waiting():
    class One(Transports):
        def get(self, transport_id: UUID) -> Any:
            if transport_id == lost.transport_id:
                raise Misconfigured("no such account")
            return self

    lost, fine = doubt(), doubt()
    assert [
        move.delivery_id for move in decide([lost, fine], transports=One([]), now=NOW, reported=lambda _: {})
    ] == [fine.delivery_id]


def test_nothing_is_decided_about_nothing():
    assert decide([], transports=Transports(broken=True), now=NOW) == []
