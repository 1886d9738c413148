"""The check of stored statuses: silent where all agree, exact where one does not, and able to mend it."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from emails.messages.models import Message, Recipient
from emails.messages.queue import checking
from emails.streams.models import Stream
from tests.unit.emails.events.mail import accepted

pytestmark = pytest.mark.django_db


@pytest.fixture
def message(acme) -> Message:
    return accepted(acme.tenant, stream=Stream.across_tenants.get(tenant=acme.tenant, name="transactional"))


def check(*words: str) -> str:
    told = StringIO()
    call_command("checkstatuses", *words, stdout=told)
    return told.getvalue()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch) -> None:
    monkeypatch.setattr(checking, "PAGE", 1)


def test_it_is_content_where_recipients_say_what_is_stored(acme, message):
    accepted(acme.tenant, stream=message.stream, to=("cid@example.com",))
    assert check() == "Every stored status is what its recipients say.\n"


def test_it_names_each_message_that_differs(acme, message):
    other = accepted(acme.tenant, stream=message.stream, to=("cid@example.com",))
    Recipient.across_tenants.filter(message=other).update(status="bounced", rank=70)
    Message.across_tenants.filter(pk=message.pk).update(status="delivered")
    told = StringIO()
    with pytest.raises(CommandError, match="2 messages differ"):
        call_command("checkstatuses", stdout=told)
    assert told.getvalue().splitlines() == [
        f"{message.pk}: stored delivered, recipients say queued",
        f"{other.pk}: stored queued, recipients say bounced",
    ]


def test_a_change_that_was_under_way_is_no_complaint(message, monkeypatch):
    Message.across_tenants.filter(pk=message.pk).update(status="delivered")

    def a_moment(_seconds: float) -> None:
        Message.across_tenants.filter(pk=message.pk).update(status="queued")

    monkeypatch.setattr("emails.management.commands.checkstatuses.time.sleep", a_moment)
    assert check() == "Every stored status is what its recipients say.\n"


def test_it_mends_on_request(message):
    Message.across_tenants.filter(pk=message.pk).update(status="delivered")
    assert check("--repair").splitlines()[-1] == "1 mended."
    message.refresh_from_db()
    assert message.status == "queued"
    assert check() == "Every stored status is what its recipients say.\n"
