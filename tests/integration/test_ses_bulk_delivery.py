"""A batch through a tenant's SES account: one request, and yet each email has a name, a proof and a fate of its own."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from emails.messages.models import Attempt, Delivery
from mailgrid.core.bells import Priority
from mailgrid.core.clock import now
from tests.conftest import Actor, Api, Work
from tests.fakes.ses import FakeSes, Rule
from tests.integration import test_ses_delivery as ses_delivery

pytestmark = pytest.mark.django_db

Account = ses_delivery.Account
Message = dict[str, Any]

running_ses, ses, post_box = ses_delivery.running_ses, ses_delivery.ses, ses_delivery.post_box
account, subscribed = ses_delivery.account, ses_delivery.subscribed


@pytest.fixture
def batch(api: Callable[..., Api], acme: Actor) -> Callable[..., list[str]]:
    """`batch(3)`: the ids of three notifications, each with its own recipient and content."""

    def accept(count: int, **changes: Any) -> list[str]:
        mails = [
            {
                "from": acme.sender,
                "to": f"r{number}@example.com",
                "subject": f"Grüße {number}",
                "html": f"<p>Number {number} & {{more}}</p>",
                "stream": "notifications",
                "priority": "medium",
                **changes,
            }
            for number in range(count)
        ]
        answer = api(acme).post("/api/emails/batch", mails)
        assert answer.status_code == 200, answer.content
        return [one["id"] for one in answer.json()["data"]]

    return accept


def _operations(ses: FakeSes) -> dict[str, int]:
    names = ("SendEmail", "SendBulkEmail")
    return {name: ses.counters().get(f"requests.{name}", 0) for name in names}


def _statuses(account: Account, emails: list[str]) -> list[str]:
    return [status for email in emails for status in account.statuses(email).values()]


def _again(work: Work, after: timedelta) -> None:
    """What a sweep at that time releases is sent."""
    work.sweep(at=now() + after)
    work.deliver()


def test_a_batch_is_one_request_and_each_email_is_known_by_its_own_name(
    subscribed: Account, ses: FakeSes, batch: Callable[..., list[str]], work: Work
) -> None:
    emails = batch(30)
    assert work.deliver(Priority.MEDIUM) == {"claimed": 30, "sent": 30}
    assert _operations(ses) == {"SendEmail": 0, "SendBulkEmail": 1}
    mails = {mail.tags["mg_d"]: mail for mail in ses.mails()}
    attempts = Attempt.objects.select_related("delivery").order_by("delivery__message_id")
    assert [str(attempt.delivery.message_id) for attempt in attempts] == sorted(emails)
    for attempt in attempts:
        mail = mails[str(attempt.delivery_id)]
        number = emails.index(str(attempt.delivery.message_id))
        assert (attempt.outcome, attempt.settled_by) == ("sent", "answer")
        assert (attempt.provider_message_id, mail.tags["mg_f"]) == (mail.ses_id, str(attempt.fence))
        assert (mail.to, mail.html) == ([f"r{number}@example.com"], f"<p>Number {number} & {{more}}</p>")
        assert dict(mail.headers)["Subject"] == f"Grüße {number}"
    assert subscribed.hear() == {"applied": 60}
    assert set(_statuses(subscribed, emails)) == {"delivered"}
    assert all(
        subscribed.events(email) == ["email.queued", "email.sent", "email.delivered"] for email in emails
    )
    work.everything()
    assert len(ses.journal()) == 30


def test_a_lost_answer_is_settled_entry_by_entry_and_nothing_is_repeated(
    subscribed: Account, ses: FakeSes, batch: Callable[..., list[str]], work: Work
) -> None:
    ses.misbehave("close_after", count=1)
    emails = batch(5)
    assert work.deliver() == {"claimed": 5, "in_doubt": 5}
    work.sweep()
    work.deliver()
    subscribed.hear()
    assert _statuses(subscribed, emails) == ["delivered"] * 5
    assert set(Attempt.objects.values_list("outcome", "settled_by")) == {("sent", "event")}
    work.everything()
    assert len(ses.journal()) == 5


def test_an_entry_that_is_turned_down_leaves_its_neighbours_alone(
    subscribed: Account, ses: FakeSes, batch: Callable[..., list[str]], work: Work
) -> None:
    ses.misbehave(
        Rule(mode="rejected", per_entry=True, count=1), Rule(mode="throttle", per_entry=True, count=1)
    )
    emails = batch(4)
    outcomes = Counter(work.deliver())
    assert outcomes == {"claimed": 4, "failed": 1, "deferred": 1, "sent": 2}
    _again(work, timedelta(seconds=10))
    assert sorted(_statuses(subscribed, emails)) == ["failed", "sent", "sent", "sent"]
    assert _operations(ses) == {"SendEmail": 1, "SendBulkEmail": 1}
    assert len(ses.journal()) == 3


def test_a_request_that_is_refused_is_sent_again_email_by_email(
    subscribed: Account, ses: FakeSes, batch: Callable[..., list[str]], work: Work
) -> None:
    """Among them the one whose fault it was: it alone fails."""
    ses.misbehave(
        Rule(mode="rejected", operations=("SendBulkEmail",), count=1),
        Rule(mode="rejected", operations=("SendEmail",), count=1),
    )
    emails = batch(4)
    assert work.deliver() == {"claimed": 4, "deferred": 4}
    assert ses.journal() == []
    _again(work, timedelta(minutes=1))
    assert sorted(_statuses(subscribed, emails)) == ["failed", "sent", "sent", "sent"]
    assert _operations(ses) == {"SendEmail": 4, "SendBulkEmail": 1}


def test_an_account_that_may_not_send_bulk_loses_nothing(
    subscribed: Account, ses: FakeSes, batch: Callable[..., list[str]], work: Work
) -> None:
    ses.misbehave(Rule(mode="forbidden", operations=("SendBulkEmail",)))
    first = batch(3)
    assert work.deliver() == {"claimed": 3, "deferred": 3}
    later = batch(3)
    assert work.deliver() == {"claimed": 3, "sent": 3}
    _again(work, timedelta(minutes=1))
    assert _statuses(subscribed, first + later) == ["sent"] * 6
    assert _operations(ses) == {"SendEmail": 6, "SendBulkEmail": 1}


@pytest.mark.parametrize("priority", ["immediate", "high"])
def test_what_somebody_waits_for_shares_no_fate(
    subscribed: Account, ses: FakeSes, batch: Callable[..., list[str]], work: Work, priority: str
) -> None:
    batch(3, priority=priority)
    assert work.deliver() == {"claimed": 3, "sent": 3}
    assert _operations(ses) == {"SendEmail": 3, "SendBulkEmail": 0}


def test_nor_does_what_is_never_repeated(
    subscribed: Account, ses: FakeSes, batch: Callable[..., list[str]], work: Work
) -> None:
    batch(3)
    Delivery.across_tenants.update(at_most_once=True)
    assert work.deliver() == {"claimed": 3, "sent": 3}
    assert _operations(ses) == {"SendEmail": 3, "SendBulkEmail": 0}
