"""A key is taken once, by one request, until its time is over."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from mailgrid.core.idempotency import (
    Answer,
    Name,
    OtherRequest,
    claim,
    delete_expired,
    keep,
    stored_answer,
)
from mailgrid.core.models import IdempotencyRecord

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 25, tzinfo=UTC)
LATER = NOW + timedelta(days=7)
NAME = Name(tenant_id=UUID(int=1), test=False, route="POST /emails", key="k", request_hash="h")


def take(name: Name = NAME, *, now: datetime = NOW, answer: bytes = b"first") -> bool:
    taken = claim(name, now=now, expires_at=now + timedelta(days=7))
    if taken:
        keep(name, Answer(200, answer))
    return taken


def test_the_first_takes_the_name_and_the_second_gets_its_answer():
    assert stored_answer(NAME, now=NOW) is None
    assert take()
    assert not take(answer=b"second")
    assert stored_answer(NAME, now=NOW) == Answer(200, b"first")
    assert IdempotencyRecord.objects.count() == 1


@pytest.mark.parametrize(
    "other", [{"tenant_id": UUID(int=2)}, {"test": True}, {"route": "POST /emails/batch"}, {"key": "K"}]
)
def test_another_name_is_another_request(other):
    assert take()
    assert take(replace(NAME, **other), answer=b"other")
    assert stored_answer(NAME, now=NOW) == Answer(200, b"first")
    assert stored_answer(replace(NAME, **other), now=NOW) == Answer(200, b"other")


def test_the_same_name_for_another_request_is_refused():
    assert take()
    with pytest.raises(OtherRequest):
        stored_answer(replace(NAME, request_hash="x"), now=NOW)


def test_a_name_whose_time_is_over_is_free_also_for_another_request():
    assert take()
    almost = LATER - timedelta(microseconds=1)
    assert not take(now=almost)
    assert stored_answer(NAME, now=LATER) is None
    again = replace(NAME, request_hash="x")
    assert take(again, now=LATER, answer=b"again")
    assert stored_answer(again, now=LATER) == Answer(200, b"again")
    row = IdempotencyRecord.objects.get()
    assert (row.created_at, row.expires_at, row.request_hash) == (LATER, LATER + timedelta(days=7), "x")


def test_what_is_over_is_forgotten_in_the_end():
    assert take()
    assert delete_expired(now=LATER - timedelta(microseconds=1)) == 0
    assert delete_expired(now=LATER) == 1
