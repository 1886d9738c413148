"""The two state machines: a delivery's table is whole, and a recipient's end does not depend on the order of news."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emails.feedback import consequences, services
from emails.feedback.facts import BounceType, Fact, FactKind
from emails.messages import lifecycle
from emails.messages.lifecycle import (
    DELIVERY,
    EVENT_OF,
    LAST_EVENTS,
    OPEN,
    PRECEDENCE,
    RANKS,
    RETRYABLE,
    TERMINAL,
    WAITING,
    Input,
    last_event,
    message_status,
    statuses_of,
)
from emails.messages.moves import Move
from emails.messages.queue.settling import project_messages
from emails.models import Attempt, Delivery, Event, Message, Recipient, Suppression
from mailgrid.core.clock import now
from mailgrid.core.lifecycle import ImpossibleInput
from mailgrid.core.vocabulary import EventType, Status

S = Status
STATES = {*OPEN, *TERMINAL}
FIRST = {S.QUEUED, S.SCHEDULED, S.HELD, S.SUPPRESSED}  # as accept stores them
STATUSES = st.sampled_from(list(Status))

# docs/delivery.md 4.1, written down once more by hand: (from, to).
DOCUMENTED = {
    *((state, S.QUEUED) for state in (S.SCHEDULED, S.DEFERRED, S.IN_DOUBT, S.HELD)),
    (S.HELD, S.SCHEDULED),
    (S.QUEUED, S.SENDING),
    *((S.QUEUED, state) for state in (S.HELD, S.DEFERRED, S.FAILED, S.CANCELED, S.EXPIRED, S.SUPPRESSED)),
    *((S.SENDING, state) for state in (S.SENT, S.DEFERRED, S.HELD, S.FAILED, S.IN_DOUBT, S.CANCELED)),
    *((S.IN_DOUBT, state) for state in (S.SENT, S.HELD, S.UNKNOWN, S.CANCELED)),
    (S.HELD, S.FAILED),
    *((state, S.HELD) for state in WAITING),
    *((state, end) for state in (*WAITING, S.HELD) for end in (S.CANCELED, S.EXPIRED, S.SUPPRESSED)),
    *((state, S.SENT) for state in STATES - {S.SENT}),  # proof
}


# ---- A delivery -----------------------------------------------------------------------------------------------------


def test_the_table_says_what_the_documents_say():
    assert {(state, to) for (state, _), to in DELIVERY.table.items()} == DOCUMENTED


def test_every_state_can_be_reached_and_every_open_one_left():
    reached, rest = set(FIRST), list(FIRST)
    while rest:
        here = rest.pop()
        further = {to for (state, _), to in DELIVERY.table.items() if state == here} - reached
        reached |= further
        rest += further
    assert reached == STATES
    assert {state for state, _ in DELIVERY.table} >= set(OPEN)


def test_from_every_open_state_an_end_can_be_reached():
    ends = set(TERMINAL)
    while more := {state for (state, _), to in DELIVERY.table.items() if to in ends} - ends:
        ends |= more
    assert ends == STATES


def test_every_input_has_a_row():
    assert {step for _, step in DELIVERY.table} == set(Input)


def test_only_proof_leaves_a_terminal_state():
    leaving = {(state, step): to for (state, step), to in DELIVERY.table.items() if state in TERMINAL}
    assert leaving == {(state, Input.PROVED_SENT): S.SENT for state in TERMINAL if state != S.SENT}


def test_a_claim_sees_queued_alone():
    assert DELIVERY.sources(Input.CLAIMED) == (S.QUEUED,)


def test_what_may_have_been_sent_never_expires_and_is_never_held_by_hand():
    for state in (S.SENDING, S.IN_DOUBT):
        with pytest.raises(ImpossibleInput):
            DELIVERY.step(state, Input.EXPIRED)
    assert set(DELIVERY.sources(Input.EXPIRED)) == {*WAITING, S.HELD}


@given(state=st.sampled_from(sorted(STATES)), step=st.sampled_from(list(Input)))
def test_a_move_is_a_row_of_the_table_or_an_error(state, step):
    def move() -> Move:
        one = uuid4()
        return Move(
            delivery_id=one, message_id=one, tenant_id=one, test=False, fence=1, source=state, input=step
        )

    if (state, step) in DELIVERY.table:
        assert move().to == DELIVERY.table[state, step]
    else:
        with pytest.raises(ImpossibleInput):
            move()


def test_the_groups_of_states():
    assert not set(OPEN) & set(TERMINAL)
    assert {*WAITING} < {*OPEN}
    assert set(RETRYABLE) == {S.FAILED, S.EXPIRED, S.UNKNOWN}
    assert set(EVENT_OF) == set(Status) - {S.DEFERRED, S.SENDING, S.IN_DOUBT}


# ---- Ranks and words ------------------------------------------------------------------------------------------------


def test_the_ranks_are_those_of_the_wire_contract():
    assert dict(RANKS.items()) == {
        **dict.fromkeys((S.SCHEDULED, S.QUEUED, S.DEFERRED, S.HELD, S.SENDING, S.IN_DOUBT), 0),
        **dict.fromkeys((S.CANCELED, S.EXPIRED, S.FAILED, S.UNKNOWN), 10),
        S.SENT: 20,
        S.DELIVERY_DELAYED: 30,
        S.REJECTED: 40,
        S.BOUNCED: 50,
        S.DELIVERED: 60,
        S.UNSUBSCRIBED: 80,
        S.COMPLAINED: 90,
        S.SUPPRESSED: 100,
    }
    assert (lifecycle.REJECTED_BY_SCAN, lifecycle.BOUNCED_HARD) == (45, 70)


def test_the_precedence_is_that_of_the_wire_contract():
    words = (
        "in_doubt sending deferred queued held scheduled complained bounced rejected failed unknown expired "
        "delivery_delayed sent unsubscribed delivered canceled suppressed"
    )
    assert " ".join(PRECEDENCE) == words
    assert set(PRECEDENCE) == set(Status)


@given(st.lists(STATUSES, min_size=1, max_size=50))
def test_a_messages_status_is_its_most_important_recipients(statuses):
    found = message_status(statuses)
    assert found in statuses
    assert all(PRECEDENCE.index(found) <= PRECEDENCE.index(status) for status in statuses)
    assert message_status(reversed(statuses)) == found
    pending = [status for status in statuses if RANKS[status] == 0]
    assert RANKS[found] == 0 or not pending


@given(status=STATUSES, opened=st.booleans(), clicked=st.booleans())
def test_last_event_and_its_filter_agree(status, opened, clicked):
    word = last_event(status, opened=opened, clicked=clicked)
    assert word in LAST_EVENTS
    statuses, must_open, must_click = statuses_of(word)
    assert status in statuses
    assert must_open in {None, opened}
    assert must_click in {None, clicked}


@pytest.mark.parametrize(
    ("status", "flags", "word"),
    [
        ("in_doubt", {}, "queued"),
        ("held", {"opened": True}, "queued"),
        ("scheduled", {}, "scheduled"),
        ("expired", {}, "failed"),
        ("rejected", {"clicked": True}, "failed"),
        ("unsubscribed", {}, "delivered"),
        ("sent", {"opened": True}, "opened"),
        ("delivery_delayed", {"opened": True}, "opened"),
        ("delivered", {"opened": True, "clicked": True}, "clicked"),
        ("bounced", {"opened": True}, "bounced"),
        ("complained", {"clicked": True}, "complained"),
        ("canceled", {}, "canceled"),
        ("suppressed", {}, "suppressed"),
    ],
)
def test_last_event_is_resends_word(status, flags, word):
    assert last_event(Status(status), **{"opened": False, "clicked": False, **flags}) == word


# ---- A recipient: every order of five facts, each three times (S15) -------------------------------------------------

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
SENT, DELAYED, DELIVERED = FactKind.SENT, FactKind.DELIVERY_DELAYED, FactKind.DELIVERED
BOUNCED, COMPLAINED, OPENED, REJECTED = (
    FactKind.BOUNCED,
    FactKind.COMPLAINED,
    FactKind.OPENED,
    FactKind.REJECTED,
)
HARD, SOFT = BounceType.PERMANENT, BounceType.TRANSIENT

Kind = tuple[FactKind, BounceType | None]
STORIES: dict[str, tuple[tuple[Kind, ...], str]] = {
    "a complaint at the end": (
        ((SENT, None), (DELAYED, None), (DELIVERED, None), (OPENED, None), (COMPLAINED, None)),
        "complained",
    ),
    "a hard bounce after delivery": (
        ((SENT, None), (DELAYED, None), (DELIVERED, None), (OPENED, None), (BOUNCED, HARD)),
        "bounced",
    ),
    "a soft bounce after delivery": (
        ((SENT, None), (DELAYED, None), (DELIVERED, None), (OPENED, None), (BOUNCED, SOFT)),
        "delivered",
    ),
    "two bounces": (
        ((SENT, None), (DELAYED, None), (BOUNCED, SOFT), (BOUNCED, HARD), (OPENED, None)),
        "bounced",
    ),
    "a rejection": (
        ((SENT, None), (REJECTED, None), (DELAYED, None), (OPENED, None), (BOUNCED, SOFT)),
        "bounced",
    ),
    "everything bad": (
        ((SENT, None), (DELIVERED, None), (BOUNCED, HARD), (COMPLAINED, None), (REJECTED, None)),
        "complained",
    ),
}


def fact(kind: Kind, place: int, **more: Any) -> Fact:
    what, bounce_type = kind
    return Fact(
        kind=what,
        address=None if what in {SENT, REJECTED} else "ann@example.com",
        occurred_at=AT + timedelta(seconds=place),
        bounce_type=bounce_type,
        detail={"reason": "virus"}
        if what == REJECTED
        else {"subType": "NoEmail"}
        if bounce_type == HARD
        else {},
        dedupe_key=f"{what}:{bounce_type}",
        **{"provider_message_id": "p-1", "delivery_id": None, "fence": None, "tenant_hex": None, **more},
    )


def lifted(facts: Sequence[Fact]) -> tuple[str, int, str, str]:
    """Where the lattice alone leads."""
    end = ("", 0, "", "")
    for one in facts:
        rise = consequences.rise(one)
        if rise.status and rise.rank > end[1]:
            end = (rise.status, rise.rank, rise.reason, rise.bounce_type)
    return end


@pytest.mark.parametrize("story", STORIES)
def test_all_120_orders_each_thrice_end_alike(story):
    kinds, end = STORIES[story]
    ends = Counter(
        lifted([fact(kind, place) for kind in order for place in range(3)]) for order in permutations(kinds)
    )
    assert (len(ends), ends.total()) == (1, 120)
    assert next(iter(ends))[0] == end


@pytest.fixture
def sent(acme, api, mail, work) -> Delivery:
    """A delivery whose answer was lost, so that nothing but facts tell."""
    api(acme).post("/api/emails", mail)
    work.deliver()
    Attempt.objects.update(outcome="in_doubt", provider_message_id="")
    Delivery.across_tenants.update(state="in_doubt")
    Recipient.across_tenants.update(rank=0, status="")
    Message.across_tenants.update(status="in_doubt", provider_message_id="")
    Event.across_tenants.filter(type="email.sent").delete()
    return Delivery.across_tenants.get()


def state(delivery: Delivery) -> dict[str, Any]:
    """Everything that facts change."""
    message = Message.across_tenants.get(pk=delivery.message_id)
    recipient = Recipient.across_tenants.get(delivery=delivery)
    delivery = Delivery.across_tenants.get(pk=delivery.pk)
    attempt = Attempt.objects.get(delivery=delivery)
    return {
        "recipient": (
            recipient.status,
            recipient.rank,
            recipient.reason,
            recipient.bounce_type,
            recipient.opens,
        ),
        "message": (message.status, message.opened, message.clicked, message.provider_message_id),
        "delivery": (delivery.state, delivery.lease_until, delivery.suspect, delivery.crashes),
        "attempt": (attempt.outcome, attempt.settled_by, attempt.provider_message_id),
        "events": sorted(Event.across_tenants.filter(message=message).values_list("type", flat=True)),
        "suppressions": sorted(Suppression.across_tenants.values_list("address", "origin")),
    }


def told(delivery: Delivery, kinds: Sequence[Kind]) -> list[Fact]:
    """The facts as SES would tell them about this delivery."""
    tags = {"delivery_id": delivery.pk, "fence": delivery.fence, "tenant_hex": delivery.tenant_id.hex}
    return [fact(kind, place, **tags) for place, kind in enumerate(kinds)]


def outcome(delivery: Delivery, batches: Sequence[Sequence[Fact]]) -> dict[str, Any]:
    """The state after these batches; the database is as before."""
    with transaction.atomic():
        for batch in batches:
            services.apply(batch, now=now())
        found = state(delivery)
        transaction.set_rollback(True)
    return found


@pytest.mark.parametrize("story", STORIES)
def test_the_database_ends_alike_for_every_order_and_every_batch(sent, story):
    kinds, end = STORIES[story]
    facts = told(sent, kinds)
    first = outcome(sent, [facts])
    assert (first["recipient"][0], first["message"][0], first["delivery"][0]) == (end, end, "sent")
    assert len(first["events"]) == 6  # with `email.queued`

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(order=st.permutations(facts * 3), cuts=st.sets(st.integers(1, 14)))
    def every_order(order: list[Fact], cuts: set[int]) -> None:
        edges = [0, *sorted(cuts), 15]
        batches = [order[start:end] for start, end in pairwise(edges)]
        assert outcome(sent, batches) == first

    every_order()


def test_all_120_orders_end_alike_in_the_database(sent):
    facts = told(sent, STORIES["everything bad"][0])
    first = outcome(sent, [facts])
    for place, order in enumerate(permutations(facts)):
        batches = [[one] for one in order] if place % 6 == 0 else [order]
        assert outcome(sent, batches) == first


def test_a_fact_with_another_tenants_tag_touches_nothing(sent, globex):
    before = state(sent)
    foreign = [
        replace(one, tenant_hex=globex.tenant.pk.hex) for one in told(sent, STORIES["everything bad"][0])
    ]
    nobody = [replace(one, delivery_id=uuid4()) for one in told(sent, STORIES["everything bad"][0])]
    assert services.apply([*foreign, *nobody], now=now()) == 0
    assert state(sent) == before


@pytest.mark.parametrize("end", ["failed", "canceled", "expired", "unknown"])
def test_proof_beats_what_we_believed(sent, end):
    Delivery.across_tenants.update(state=end)
    Recipient.across_tenants.update(status=end, rank=10)
    services.apply(told(sent, [(DELIVERED, None)]), now=now())
    after = state(sent)
    assert (after["recipient"][0], after["message"][0], after["delivery"][0]) == (
        "delivered",
        "delivered",
        "sent",
    )
    assert after["attempt"][:2] == ("sent", "event")


def test_nothing_moves_a_suppressed_recipient(sent):
    Recipient.across_tenants.update(status="suppressed", rank=100, reason="manual")
    services.apply(told(sent, [(DELIVERED, None), (BOUNCED, HARD), (COMPLAINED, None)]), now=now())
    assert state(sent)["recipient"][:3] == ("suppressed", 100, "manual")
    assert "email.delivered" in state(sent)["events"]  # stored all the same


@pytest.mark.parametrize(
    "mixed", [["delivered", "bounced"], ["sent", "complained", "canceled"], ["suppressed", "failed"]]
)
def test_the_stored_projection_is_what_the_recipients_say(acme, api, mail, mixed):
    api(acme).post("/api/emails", {**mail, "to": [f"a{n}@example.com" for n in range(len(mixed))]})
    for recipient, status in zip(Recipient.across_tenants.order_by("position"), mixed, strict=True):
        Recipient.across_tenants.filter(pk=recipient.pk).update(status=status, rank=RANKS[Status(status)])
    project_messages({Message.across_tenants.get().pk: ""})
    assert Message.across_tenants.get().status == message_status(map(Status, mixed))


def test_every_event_type_is_a_status_or_engagement():
    assert set(EventType) - set(EVENT_OF.values()) == {EventType.OPENED, EventType.CLICKED}
