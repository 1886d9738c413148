"""Two workers settle two copies of one message at once: its status is what both of them wrote."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction

from emails.messages.models import Delivery, Message, Recipient
from emails.messages.queue.settling import project_messages

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True, serialized_rollback=True)]


def test_whoever_comes_second_sees_what_the_first_one_wrote(acme, api, mail):
    everybody = ["ann@example.com", "bob@example.com"]
    sent = api(acme).post("/api/emails", {**mail, "to": everybody, "track_opens": True}).json()["id"]
    first, second = Delivery.across_tenants.filter(message_id=sent).order_by("pk")
    wrote, waits = threading.Event(), threading.Event()

    def end(delivery: Delivery) -> None:
        Delivery.across_tenants.filter(pk=delivery.pk).update(state="sent")
        Recipient.across_tenants.filter(delivery=delivery).update(status="sent", rank=20)

    def one() -> None:
        with transaction.atomic():
            end(first)
            project_messages({UUID(sent): ""})
            wrote.set()
            assert waits.wait(20)

    def other() -> None:
        assert wrote.wait(20)
        with transaction.atomic():
            end(second)
            threading.Timer(0.5, waits.set).start()  # by then it waits for the message's row
            project_messages({UUID(sent): ""})

    def in_a_thread(work: Any) -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(in_a_thread, (one, other)))
    assert Message.across_tenants.get(pk=sent).status == "sent"
