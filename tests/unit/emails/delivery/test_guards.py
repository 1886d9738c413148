"""Reasons not to send: each by itself, and which one speaks first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from emails.delivery.guards import GUARDS, Facts, Stop, as_move, first_stop, past_limit, past_pace
from emails.messages.lifecycle import Input
from emails.messages.queue.claiming import PendingRecipient, Picked
from mailgrid.core.vocabulary import Status

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
FREE_AT = NOW + timedelta(seconds=3)


def picked(**different: Any) -> Picked:
    row = Picked(
        delivery_id=uuid4(),
        message_id=uuid4(),
        tenant_id=uuid4(),
        test=False,
        stream_id=uuid4(),
        transport_id=uuid4(),
        priority=1,
        fence=4,
        attempts=2,
        at_most_once=False,
        cancel_requested=False,
        suspect=True,
        crashes=1,
        expires_at=NOW + timedelta(hours=1),
        stream="transactional",
        stream_paused=False,
        stream_rate=None,
        configuration_set="",
        sensitive=False,
        tenant_paused=False,
    )
    return replace(row, **different)


def recipient() -> PendingRecipient:
    return PendingRecipient(id=uuid4(), delivery_id=uuid4(), kind="to", address="ann@example.com", name="")


def facts(*recipients: PendingRecipient, suppressed: Any = ()) -> Facts:
    people = recipients or (recipient(),)
    reasons = {one.id: "manual" for one in suppressed}
    return Facts(now=NOW, recipients=people, suppressed=reasons)


def test_nothing_stops_an_ordinary_delivery():
    assert first_stop(picked(), facts()) is None


@pytest.mark.parametrize(
    ("row", "stop"),
    [
        ({"cancel_requested": True}, Stop(input=Input.CANCELED)),
        ({"expires_at": NOW}, Stop(input=Input.EXPIRED)),
        ({"expires_at": NOW - timedelta(days=1)}, Stop(input=Input.EXPIRED)),
        ({"tenant_paused": True}, Stop(input=Input.HELD, reason="tenant_paused")),
        ({"stream_paused": True}, Stop(input=Input.HELD, reason="stream_paused")),
    ],
    ids=["canceled", "just expired", "long expired", "tenant paused", "stream paused"],
)
def test_each_reason_by_itself(row, stop):
    assert first_stop(picked(**row), facts()) == stop


def test_a_last_moment_is_still_in_time():
    assert first_stop(picked(expires_at=NOW + timedelta(microseconds=1)), facts()) is None


def test_only_when_everybody_is_suppressed_nothing_is_sent():
    ann, bob = recipient(), recipient()
    assert first_stop(picked(), facts(ann, bob, suppressed=[ann])) is None
    assert first_stop(picked(), facts(ann, bob, suppressed=[ann, bob])) == Stop(
        input=Input.SUPPRESSED, reason="manual"
    )


def test_a_stream_past_its_pace_waits_for_its_slot():
    assert past_pace(FREE_AT) == Stop(input=Input.DEFERRED, due_at=FREE_AT)
    assert past_pace(None) is None


def test_past_a_limit_that_is_reached_mail_fails_and_says_why():
    stop = past_limit(exhausted=True, now=NOW)
    assert (stop.input, stop.reason, stop.due_at) == (Input.FAILED, "over_limit", None)
    assert as_move(picked(), stop).detail == "The limit of its transport is used up."


def test_past_a_limit_that_nobody_can_judge_now_mail_waits_a_moment():
    assert past_limit(exhausted=False, now=NOW) == Stop(
        input=Input.DEFERRED, due_at=NOW + timedelta(seconds=5)
    )


def test_the_order_is_cancel_end_pauses_suppressions():
    ann = recipient()
    row = picked(cancel_requested=True, expires_at=NOW, tenant_paused=True, stream_paused=True)
    everything = facts(ann, suppressed=[ann])
    spoken = []
    for fixed in (
        {},
        {"cancel_requested": False},
        {"expires_at": FREE_AT},
        {"tenant_paused": False},
        {"stream_paused": False},
    ):
        row = replace(row, **fixed)
        stop = first_stop(row, everything)
        assert stop is not None
        spoken.append((stop.input, stop.reason))
    assert spoken == [
        (Input.CANCELED, ""),
        (Input.EXPIRED, ""),
        (Input.HELD, "tenant_paused"),
        (Input.HELD, "stream_paused"),
        (Input.SUPPRESSED, "manual"),
    ]


def test_a_stop_is_a_move_of_the_queued_row_that_keeps_its_suspicion():
    row = picked()
    move = as_move(row, Stop(input=Input.DEFERRED, due_at=FREE_AT))
    assert (move.source, move.to, move.fence, move.due_at) == (Status.QUEUED, Status.DEFERRED, 4, FREE_AT)
    assert (move.suspect, move.crashes, move.attempt, move.uncounted) == (True, 1, None, False)


def test_every_guard_can_be_applied_to_a_queued_row():
    for step in (
        Input.CANCELED,
        Input.EXPIRED,
        Input.HELD,
        Input.SUPPRESSED,
        Input.DEFERRED,
        Input.FAILED,
    ):
        assert as_move(picked(), Stop(input=step)).to
    assert len(GUARDS) == 5
