"""Which mail goes together, and what no grouping may do."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails.composition.calls import MAX_BYTES, MAX_RECIPIENTS, calls_of, may_be_one_call
from emails.composition.envelope import Attachment, Envelope
from emails.composition.shape import Shape, shape_of
from mailgrid.core.addresses import Mailbox
from tests.unit.emails.composition.test_compose import envelope

FILE = Attachment(filename="a.pdf", content_type="application/pdf", content=b"x")


def mail(number: int = 0, **changes: Any) -> Envelope:
    """One of many: its own delivery and recipient, nothing else of its own."""
    own = {"delivery_id": UUID(int=number), "to": (Mailbox(address=f"r{number}@example.org"),)}
    return envelope(**{**own, "may_share": True, **changes})


def sizes(envelopes: Sequence[Envelope]) -> list[int]:
    return [len(call) for call in calls_of(envelopes)]


def test_nothing_makes_no_call() -> None:
    assert calls_of([]) == []


def test_like_mail_goes_together_fifty_at_a_time() -> None:
    envelopes = [mail(number) for number in range(120)]
    calls = calls_of(envelopes)
    assert [len(call) for call in calls] == [50, 50, 20]
    assert [one for call in calls for one in call] == envelopes


def test_what_is_its_own_separates_nobody() -> None:
    assert sizes(
        [
            mail(1, subject="a", html="<b>", headers=(("X-A", "1"),), fence=3),
            mail(2, subject="b", html="<i>", bcc=(Mailbox(address="eve@example.net", name="Ève"),)),
            mail(3, stream="news", sensitive=True),
        ]
    ) == [3]


@pytest.mark.parametrize(
    "change",
    [
        {"tenant_id": UUID(int=9)},
        {"sender": Mailbox(address="other@acme.example")},
        {"sender": Mailbox(address="hello@acme.example", name="Another name")},
        {"reply_to": (Mailbox(address="help@acme.example"),)},
        {"configuration_set": "another"},
        {"html": None},
        {"text": None},
        {"may_share": False},
        {"attachments": (FILE,)},
        {"html": "{{x}}"},
        {"headers": (("X-A", "é"),)},
    ],
)
def test_what_a_request_says_once_separates(change: dict[str, Any]) -> None:
    others = [mail(1), mail(2)]
    different = mail(3, **change)
    assert calls_of([others[0], different, others[1]]) == [others, [different]]


def test_one_call_speaks_for_mail_that_may_share_it_and_shares_the_rest() -> None:
    assert may_be_one_call([mail(1), mail(2, subject="another")])
    assert not may_be_one_call([mail(1), mail(2, may_share=False)])
    assert not may_be_one_call([mail(1), mail(2, tenant_id=UUID(int=9))])
    assert not may_be_one_call([])


def test_recipients_count_together() -> None:
    crowd = tuple(Mailbox(address=f"c{number}@example.org") for number in range(30))
    assert sizes([mail(1, to=crowd[:20]), mail(2, to=crowd[:20], cc=crowd[20:]), mail(3, to=crowd)]) == [2, 1]
    assert sizes([mail(1, to=crowd), mail(2, to=crowd), mail(3)]) == [1, 2]


def test_large_mail_makes_small_calls() -> None:
    assert sizes([mail(number, text="x" * 200_000) for number in range(9)]) == [4, 4, 1]
    # Quotes are four characters each, in a string of JSON in a string of JSON.
    assert sizes([mail(number, html='"' * 120_000, text=None) for number in range(5)]) == [2, 2, 1]


_parts = st.sampled_from([None, "", "short", "x" * 90_000, '"' * 60_000, "世" * 60_000, "{{x}}"])
_senders = [Mailbox(address="hello@acme.example", name=name) for name in ("", "Acme", "Füße")]
_crowds = st.integers(1, 30).map(
    lambda count: tuple(Mailbox(address=f"c{number}@example.org") for number in range(count))
)
_mails = st.builds(
    envelope,
    may_share=st.booleans(),
    sender=st.sampled_from(_senders),
    configuration_set=st.sampled_from(["", "a"]),
    html=_parts,
    text=_parts,
    to=_crowds,
    attachments=st.sampled_from([(), (FILE,)]),
)


@given(st.lists(_mails, max_size=60))
def test_every_mail_is_in_exactly_one_call_that_may_carry_it(envelopes: list[Envelope]) -> None:
    place = {id(one): index for index, one in enumerate(envelopes)}
    calls = [[place[id(one)] for one in call] for call in calls_of(envelopes)]
    assert sorted(index for call in calls for index in call) == list(range(len(envelopes)))
    assert all(call == sorted(call) for call in calls)
    assert [call[0] for call in calls] == sorted(call[0] for call in calls)
    for call in calls_of(envelopes):
        if len(call) > 1:
            assert all(shape_of(one) is Shape.BULK for one in call)
            assert may_be_one_call(call)
            assert sum(len(one.recipients) for one in call) <= MAX_RECIPIENTS
            assert sum(len((one.html or "") + (one.text or "")) for one in call) <= MAX_BYTES
