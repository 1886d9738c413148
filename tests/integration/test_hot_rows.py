"""The two foreign keys that hot rows have keep mail from a stream and a transport that are being deleted (ADR 0012)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction

from emails.models import Delivery, Message, Stream, Transport
from emails.streams import services as streams
from emails.streams.lanes import lanes_of
from emails.transports import services as transports
from mailgrid.core.clock import now
from mailgrid.core.scoping import in_scope
from mailgrid.core.sql import run
from tenants.audit.services import SYSTEM
from tests.integration.elsewhere import Elsewhere, elsewhere
from tests.integration.test_postgresql_locks import Held

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True, serialized_rollback=True)]

HOT = ("message", "messagecontent", "delivery", "recipient", "attempt", "event")


@pytest.fixture
def other() -> Iterator[Elsewhere]:
    with elsewhere() as one:
        yield one


def accept_while(deletes: Any, other: Elsewhere, post: Any) -> int:
    """The status of a request that came before a delete was committed, and waited for it."""
    held = Held(other, deletes)
    threading.Timer(0.3, held.let_go).start()
    return int(post().status_code)


def test_hot_rows_have_two_foreign_keys():
    found = run(
        """SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
            WHERE c.contype = 'f' AND c.conrelid::regclass::text = ANY(%s)""",
        [[f"emails_{name}" for name in HOT]],
    )
    assert sorted(found) == [("emails_delivery", "transport_id"), ("emails_message", "stream_id")]


def test_no_mail_is_accepted_on_a_stream_that_is_being_deleted(acme, api, mail, other):
    client = api(acme)
    client.post("/api/streams", {"name": "spare", "type": "transactional"})
    assert lanes_of(acme.tenant.pk).find("spare")  # which this process remembers

    @contextmanager
    def deleted() -> Iterator[None]:
        with transaction.atomic(), in_scope(acme.tenant.pk, test=False):
            streams.delete(id_or_name="spare", actor=SYSTEM, now=now())
            yield

    assert (
        accept_while(deleted, other, lambda: client.post("/api/emails", {**mail, "stream": "spare"})) == 500
    )
    assert not Stream.across_tenants.filter(tenant=acme.tenant, name="spare").exists()
    assert (Message.across_tenants.count(), Delivery.across_tenants.count()) == (0, 0)


def test_no_mail_is_accepted_for_a_transport_that_is_being_deleted(acme, api, mail, other):
    client = api(acme)
    made = client.post("/api/transports", {"name": "spare", "kind": "sandbox", "settings": {}})
    assert made.status_code == 201, made.content
    spare = Transport.across_tenants.get(name="spare")
    client.post("/api/streams", {"name": "lane", "type": "transactional", "transport": "spare"})
    assert lanes_of(acme.tenant.pk).find("lane").transport == spare
    Stream.across_tenants.filter(name="lane").update(transport=None)

    @contextmanager
    def deleted() -> Iterator[None]:
        with transaction.atomic(), in_scope(acme.tenant.pk, test=False):
            transports.delete(
                tenant_id=acme.tenant.pk, operator=False, id_or_name="spare", actor=SYSTEM, now=now()
            )
            yield

    assert accept_while(deleted, other, lambda: client.post("/api/emails", {**mail, "stream": "lane"})) == 500
    assert (Message.across_tenants.count(), Delivery.across_tenants.count()) == (0, 0)
