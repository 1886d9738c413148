"""While a worker has a delivery its message is shown as being sent, though the claim wrote no message."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from emails.delivery.claim import claim_batch
from emails.messages.lifecycle import message_status
from emails.messages.queue import checking
from emails.models import Delivery, Message
from mailgrid.core.bells import Priority
from mailgrid.core.vocabulary import Status

EMAILS = "/api/emails"


@pytest.fixture
def waiting(acme, api, mail) -> str:
    return str(api(acme).post(EMAILS, mail).json()["id"])


@pytest.fixture
def claimed(waiting) -> str:
    claim_batch(Priority.HIGH)
    return waiting


def listed(client: Any, **wanted: str) -> list[str]:
    return [one["id"] for one in client.get(EMAILS, wanted).json()["data"]]


def test_a_claim_writes_no_message(waiting):
    with CaptureQueriesContext(connection) as asked:
        claim_batch(Priority.HIGH)
    assert not [one["sql"] for one in asked if "UPDATE emails_message" in one["sql"]]
    assert Message.across_tenants.get().status == "queued"
    assert Delivery.across_tenants.get().state == "sending"


def test_what_is_claimed_is_shown_as_being_sent(acme, api, claimed):
    whole = api(acme).get(f"{EMAILS}/{claimed}").json()
    (line,) = api(acme).get(EMAILS).json()["data"]
    assert (whole["status"], whole["last_event"], whole["recipients"][0]["status"]) == (
        "sending",
        "queued",
        "sending",
    )
    assert (line["status"], line["last_event"]) == ("sending", "queued")


def test_lists_are_narrowed_to_what_is_shown(acme, api, mail, claimed):
    other = str(api(acme).post(EMAILS, mail).json()["id"])
    client = api(acme)
    assert listed(client, status="sending") == [claimed]
    assert listed(client, status="queued") == [other]
    assert listed(client, status="queued,sending") == [other, claimed]
    assert listed(client, status="sent") == []
    assert listed(client, last_event="queued") == [other, claimed]


@pytest.mark.parametrize("state", ["in_doubt", "sent", "deferred"])
def test_what_is_claimed_no_more_is_shown_as_its_row_says(acme, api, claimed, state):
    Delivery.across_tenants.update(state=state)
    Message.across_tenants.update(status=state)
    assert api(acme).get(f"{EMAILS}/{claimed}").json()["status"] == state
    assert listed(api(acme), status="sending") == []


def test_a_list_costs_the_same_for_any_number_of_claimed_ones(acme, api, mail, django_assert_num_queries):
    client = api(acme)
    client.post(f"{EMAILS}/batch", [mail] * 9)
    claim_batch(Priority.HIGH)
    with CaptureQueriesContext(connection) as one:
        client.get(EMAILS, {"limit": "1"})
    with django_assert_num_queries(len(one)):
        assert {line["status"] for line in client.get(EMAILS).json()["data"]} == {"sending"}


def test_the_check_of_stored_statuses_finds_no_fault_with_a_claim(claimed):
    assert list(checking.mismatches()) == []


def test_the_stored_status_counts_what_is_being_sent_as_queued():
    assert message_status([Status.QUEUED, Status.DEFERRED]) == Status.DEFERRED
    assert message_status([Status.SENDING, Status.DEFERRED]) == Status.SENDING
