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
        ("quota", "held", "held", "answer", True),
        ("paused", "held", "held", "answer", True),
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


NOBODY = TransportError(kind=ErrorClass.CONTENT, code="550 5.1.1", message="no such user")
LATER = TransportError(kind=ErrorClass.NETWORK, code="450 4.2.0", message="greylisted")
SOON = TransportError(kind=ErrorClass.THROTTLED, code="452 4.5.3", message="too many recipients")


def parted(row: Picked | None = None, **refused: TransportError) -> Move:
    named = {f"{name}@example.org": error for name, error in refused.items()}
    receipt = Receipt(provider_message_id="p-1", refused=named)
    return next_move(row or picked(attempts=0), receipt, now=NOW, random=lambda: 0.5)


def test_who_is_refused_for_good_fails_and_the_others_are_sent():
    move = parted(bob=NOBODY)
    assert move.to == "sent"
    assert move.split is not None
    bob = move.split.named["bob@example.org"]
    assert (bob.to, bob.reason, bob.detail) == ("failed", "rejected", "no such user")
    assert (move.split.others.to, move.split.others.attempt and move.split.others.attempt.outcome) == (
        "sent",
        "sent",
    )


def test_the_delivery_goes_on_for_who_may_still_get_it():
    move = parted(bob=NOBODY, cid=LATER, dan=SOON)
    assert (move.to, move.uncounted, move.detail) == ("deferred", False, "greylisted")
    assert move.due_at is not None
    assert NOW < move.due_at <= NOW + timedelta(seconds=1)
    assert move.split is not None
    assert {address[:3]: step.to.value for address, step in move.split.named.items()} == {
        "bob": "failed",
        "cid": "deferred",
        "dan": "deferred",
    }
    assert move.split.others.to == "sent"


def test_the_attempt_of_a_mail_that_some_got_was_sent_and_says_who_did_not():
    move = parted(bob=NOBODY, cid=LATER)
    assert move.attempt is not None
    assert (move.attempt.outcome, move.attempt.settled_by, move.attempt.provider_message_id) == (
        "sent",
        "answer",
        "p-1",
    )
    assert (move.attempt.error_class, move.attempt.error_code) == ("content", "550 5.1.1")
    assert move.attempt.error_message == "bob@example.org: no such user; cid@example.org: greylisted"


def test_a_canceled_delivery_is_not_tried_again_for_those_who_did_not_get_it():
    move = parted(picked(cancel_requested=True), cid=LATER)
    assert move.to == "sent"
    assert move.split is not None
    assert move.split.named["cid@example.org"].to == "canceled"


def test_a_receipt_for_everybody_is_no_split():
    assert next_move(picked(), Receipt(provider_message_id="p"), now=NOW, random=lambda: 0).split is None


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
