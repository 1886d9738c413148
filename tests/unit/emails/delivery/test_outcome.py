"""From a transport's answer to a delivery's next move."""

from dataclasses import replace
from datetime import timedelta

import pytest

from emails.delivery import outcome
from emails.delivery.outcome import GRACE_MAX, content_gone, next_move
from emails.delivery.ports import ErrorClass, Receipt, TransportError
from emails.delivery.retry import SCHEDULES
from emails.messages.moves import Move
from emails.messages.queue.claiming import Picked
from mailgrid.core.bells import Priority
from mailgrid.core.vocabulary import Status

from .test_guards import NOW, picked


def answered(kind: str, row: Picked | None = None) -> Move:
    answer = TransportError(kind=ErrorClass(kind), code="Code", message="The provider's words.")
    return next_move(row or picked(attempts=0), answer, now=NOW, random=lambda: 0.5)


def test_a_receipt_is_sent():
    move = next_move(picked(), Receipt(provider_message_id="p-1"), now=NOW, random=lambda: 0.5)
    assert (move.source, move.to, move.fence) == (Status.SENDING, Status.SENT, 5)
    assert move.attempt is not None
    assert (move.attempt.outcome, move.attempt.settled_by) == ("sent", "answer")
    assert move.attempt.provider_message_id == "p-1"
    assert (move.suspect, move.crashes) == (False, 0)  # any outcome clears both


@pytest.mark.parametrize(
    ("kind", "to", "outcome_word", "settled_by", "uncounted"),
    [
        ("throttled", "deferred", "deferred", "answer", True),
        ("quota", "deferred", "deferred", "answer", True),
        ("paused", "deferred", "deferred", "answer", True),
        ("auth", "deferred", "deferred", "answer", True),
        ("identity", "deferred", "deferred", "answer", False),
        ("network", "deferred", "deferred", "answer", False),
        ("bug", "deferred", "deferred", "answer", False),
        ("content", "failed", "failed", "answer", False),
        ("doubt", "in_doubt", "in_doubt", None, False),
    ],
)
def test_each_class_of_error(kind, to, outcome_word, settled_by, uncounted):
    move = answered(kind)
    assert (move.to, move.uncounted) == (to, uncounted)
    assert move.attempt is not None
    assert (move.attempt.outcome, move.attempt.settled_by) == (outcome_word, settled_by)
    assert (move.attempt.error_class, move.attempt.error_code) == (kind, "Code")
    assert move.attempt.error_message == "The provider's words."


@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_deferred_delivery_is_due_later(kind):
    move = answered(kind)
    assert move.due_at is not None
    assert NOW < move.due_at <= NOW + timedelta(seconds=SCHEDULES[kind].delays[-1])


def test_a_doubt_is_due_at_once_so_that_the_transport_can_be_asked():
    assert answered("doubt").due_at == NOW


@pytest.mark.parametrize(
    ("kind", "attempts", "to", "reason"),
    [
        ("identity", 3, "deferred", ""),
        ("identity", 4, "failed", "identity"),
        ("bug", 1, "deferred", ""),
        ("bug", 2, "held", "quarantined"),
        ("network", 500, "deferred", ""),
        ("throttled", 500, "deferred", ""),
    ],
)
def test_attempts_run_out(kind, attempts, to, reason):
    move = answered(kind, picked(attempts=attempts))
    assert (move.to, move.reason) == (to, reason)


@pytest.mark.parametrize("kind", [*SCHEDULES])
def test_a_canceled_delivery_that_proves_unsent_is_canceled(kind):
    assert answered(kind, picked(cancel_requested=True)).to == "canceled"


def test_a_canceled_delivery_that_was_sent_is_sent():
    row = picked(cancel_requested=True)
    assert next_move(row, Receipt(provider_message_id="p"), now=NOW, random=lambda: 0).to == "sent"
    assert answered("doubt", row).to == "in_doubt"
    assert answered("content", row).to == "failed"


def test_without_content_it_fails_for_good():
    move = content_gone(picked(), "the content was erased")
    assert (move.to, move.reason, move.detail) == ("failed", "content_missing", "the content was erased")


def test_how_long_doubts_wait_for_their_proof():
    assert GRACE_MAX[Priority.IMMEDIATE] == timedelta(minutes=5)


def test_the_move_names_the_claim_it_belongs_to():
    row = replace(picked(), fence=41)
    assert answered("network", row).fence == 42
    assert answered("network", row).delivery_id == row.delivery_id
    assert outcome.content_gone(row, "").fence == 42
