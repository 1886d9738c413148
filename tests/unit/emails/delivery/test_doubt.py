"""What becomes of a delivery whose outcome is unknown."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from emails.delivery.doubt import LONE_CRASHES, decide
from emails.delivery.outcome import GRACE_MAX
from emails.delivery.ports import AttemptKey, Misconfigured, Receipt
from emails.messages.moves import Move
from emails.messages.queue.passes import Doubt
from mailgrid.core.bells import Priority

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Transports:
    """A transport that knows what it took (`took`), knows nothing (None), or is not there."""

    def __init__(self, took: Sequence[AttemptKey] | None = (), *, broken: bool = False) -> None:
        self.took, self.broken, self.asked = took, broken, 0

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


def decided(one: Doubt, transports: Transports, at: datetime = NOW) -> Move | None:
    moves = decide([one], transports=transports, now=at)
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
    "transports", [Transports(None), Transports(broken=True)], ids=["cannot tell", "not there"]
)
@pytest.mark.parametrize("priority", Priority)
def test_where_nobody_can_be_asked_it_waits_and_then_is_unknown(transports, priority):
    one = doubt(priority=priority)
    end = NOW + GRACE_MAX[priority]
    assert decided(one, transports, end - timedelta(seconds=1)) is None
    move = decided(one, transports, end)
    assert move is not None
    assert (move.to, move.attempt and move.attempt.settled_by) == ("unknown", "grace")


def test_a_transport_is_asked_once_for_all_its_doubts():
    transports = Transports([])
    transport_id = uuid4()
    moves = decide([doubt(transport_id=transport_id) for _ in range(5)], transports=transports, now=NOW)
    assert (len(moves), transports.asked) == (5, 1)


def test_one_transport_that_is_not_there_keeps_no_other_waiting():
    class One(Transports):
        def get(self, transport_id: UUID) -> Any:
            if transport_id == lost.transport_id:
                raise Misconfigured("no such account")
            return self

    lost, fine = doubt(), doubt()
    assert [move.delivery_id for move in decide([lost, fine], transports=One([]), now=NOW)] == [
        fine.delivery_id
    ]


def test_nothing_is_decided_about_nothing():
    assert decide([], transports=Transports(broken=True), now=NOW) == []
