"""A recipient unsubscribes, by a page or by one click, and perhaps subscribes again (fault test A21)."""

from datetime import timedelta

import pytest
from django.db import OperationalError

from emails.events.models import Event
from emails.messages.models import Message, Recipient
from emails.suppressions.models import Suppression
from emails.suppressions.services import NewSuppression, suppress
from emails.tracking import unsubscribe
from emails.tracking.api import CHOICES_PER_MINUTE, MAX_BODY
from emails.tracking.links import Addressee, Links
from mailgrid.core.clock import now
from tenants.audit.models import AuditEntry
from tests.journeys.tracked import Visitor, links_of, sent


@pytest.fixture
def ann(api, acme, work, mail) -> Recipient:
    """Got acme's newsletter."""
    return sent(api(acme), work, mail, stream="marketing")


@pytest.fixture
def url(ann) -> str:
    return links_of(ann).unsubscribe()


def listed() -> list[tuple]:
    rows = Suppression.across_tenants.order_by("pk")
    return [(row.address, row.origin, row.scope, row.scope_id) for row in rows]


def told() -> list[Event]:
    return list(Event.across_tenants.filter(type="email.unsubscribed").order_by("seq"))


def status(recipient: Recipient) -> tuple[str, int, str]:
    recipient.refresh_from_db()
    return recipient.status, recipient.rank, Message.across_tenants.get(pk=recipient.message_id).status


def said(answer) -> str:
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


# ---- The page -------------------------------------------------------------------------------------------------------


def test_the_page_says_what_would_happen_and_nothing_happens(ann, url):
    """Scanners follow links: GET changes nothing, however often."""
    for method in ("GET", "GET", "HEAD", "HEAD"):
        answer = Visitor().send(method, url)
        assert answer.status_code == 200
    page = said(Visitor().get(url))
    assert "Unsubscribe?" in page
    assert "Acme" in page
    assert "marketing" in page
    assert "a•••@example.com" in page
    assert ann.address not in page
    assert (listed(), told(), status(ann)) == ([], [], ("delivered", 60, "delivered"))


def test_the_page_is_for_eyes_only(url):
    answer = Visitor().get(url)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self'" in policy
    assert "script" not in policy
    assert answer["X-Robots-Tag"].startswith("noindex")
    assert (answer["Cache-Control"], answer["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert (answer["X-Frame-Options"], answer["X-Content-Type-Options"]) == ("DENY", "nosniff")
    assert "<script" not in said(answer)
    assert "Set-Cookie" not in answer


def test_the_button_unsubscribes_at_once(api, acme, work, mail, ann, url):
    page = said(Visitor().post(url, action="unsubscribe"))
    assert "You are unsubscribed" in page
    assert "Subscribe again" in page
    assert listed() == [("ann@example.com", "unsubscribe", "stream", ann.message.stream_id)]
    assert Suppression.across_tenants.get().source_id == ann.message_id
    assert status(ann) == ("unsubscribed", 80, "unsubscribed")
    (event,) = told()
    assert (event.recipient_id, event.status, event.data) == (ann.pk, "unsubscribed", {"topic_id": None})
    assert sent(api(acme), work, mail, stream="marketing").status == "suppressed"
    assert sent(api(acme), work, mail, stream="transactional").status == "delivered"


def test_who_is_unsubscribed_already_is_told_so(url):
    Visitor().one_click(url)
    page = said(Visitor().get(url))
    assert "You are already unsubscribed" in page
    assert "Subscribe again" in page


# ---- One click ------------------------------------------------------------------------------------------------------


def test_one_click_unsubscribes_without_a_page_before(ann, url):
    assert Visitor(user_agent="").one_click(url).status_code == 200
    assert listed() == [("ann@example.com", "unsubscribe", "stream", ann.message.stream_id)]


def test_one_click_comes_as_multipart_too(ann, url):
    body = b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
    assert Visitor().send("POST", url, body, "multipart/form-data; boundary=x").status_code == 200
    assert len(listed()) == 1


def test_many_clicks_are_one(ann, url):
    for _ in range(3):
        assert "You are unsubscribed" in said(Visitor().one_click(url))
        assert "You are unsubscribed" in said(Visitor().post(url, action="unsubscribe"))
    assert (len(listed()), len(told())) == (1, 1)


def test_each_mail_tells_that_one_unsubscribed_through_it(api, acme, work, mail, ann, url):
    second = sent(api(acme), work, mail, stream="marketing")
    for link in (url, links_of(second).unsubscribe()):
        Visitor().one_click(link)
    assert len(listed()) == 1
    assert [event.recipient_id for event in told()] == [ann.pk, second.pk]
    assert status(second)[0] == "unsubscribed"


def test_it_works_after_two_years_when_the_content_is_long_erased(ann, url):
    ann.message.content.delete()
    Event.across_tenants.all().delete()
    assert Visitor(at=now() + timedelta(days=731)).one_click(url).status_code == 200
    assert status(ann)[0] == "unsubscribed"
    assert len(listed()) == 1


def test_a_complaint_outweighs_unsubscribing(api, acme, work, mail):
    recipient = sent(api(acme), work, mail, to="complaint@simulator.mailgrid.test", stream="marketing")
    Visitor().one_click(links_of(recipient).unsubscribe())
    assert status(recipient) == ("complained", 90, "complained")
    assert [event.status for event in told()] == ["complained"]
    assert sorted(origin for _, origin, _, _ in listed()) == ["complaint", "unsubscribe"]


def test_of_several_recipients_the_one_whose_copy_it_was_unsubscribes(api, acme, work, mail):
    first = sent(api(acme), work, mail, to=["ann@example.com", "bob@example.com"], stream="marketing")
    second = Recipient.across_tenants.get(message_id=first.message_id, address="bob@example.com")
    Visitor().one_click(links_of(second).unsubscribe())
    assert [address for address, *_ in listed()] == ["bob@example.com"]
    assert (status(first)[0], status(second)[0]) == ("delivered", "unsubscribed")


def test_test_mail_suppresses_nobody(api, acme, work, mail):
    recipient = sent(api(acme.test_key), work, mail, stream="marketing")
    url = links_of(recipient).unsubscribe()
    assert "This was test mail" in said(Visitor().one_click(url))
    assert (listed(), status(recipient)[0], len(told())) == ([], "unsubscribed", 1)


# ---- Again ----------------------------------------------------------------------------------------------------------


def test_subscribing_again_lets_mail_through_again_and_is_on_record(api, acme, work, mail, ann, url):
    Visitor().one_click(url)
    assert "You are subscribed again" in said(Visitor().post(url, action="subscribe"))
    assert listed() == []
    entry = AuditEntry.across_tenants.filter(tenant=acme.tenant).order_by("-seq")[0]
    assert (entry.action, entry.actor_type, entry.actor_id) == ("suppression.lift", "recipient", str(ann.pk))
    assert (entry.ip, "ann@" in str(entry.changes)) == ("127.0.0.1", False)
    assert sent(api(acme), work, mail, stream="marketing").status == "delivered"
    assert "Unsubscribe?" in said(Visitor().get(url))


def test_unsubscribing_once_more_is_told_once_more(ann, url):
    for action in ("unsubscribe", "subscribe", "unsubscribe"):
        Visitor().post(url, action=action)
    assert (len(listed()), len(told())) == (1, 2)


def test_subscribing_again_lifts_no_bounce_no_complaint_and_nothing_done_by_hand(acme, ann, url):
    reasons = [
        NewSuppression(tenant_id=acme.tenant.pk, address=ann.address, origin=origin)
        for origin in ("bounce", "complaint", "manual")
    ]
    here = NewSuppression(
        tenant_id=acme.tenant.pk,
        address=ann.address,
        origin="manual",
        scope="stream",
        scope_id=ann.message.stream_id,
    )
    elsewhere = NewSuppression(tenant_id=acme.tenant.pk, address=ann.address, origin="unsubscribe")
    suppress([*reasons, here, elsewhere], now=now())
    Visitor().one_click(url)
    Visitor().post(url, action="subscribe")
    assert sorted((origin, scope) for _, origin, scope, _ in listed()) == [
        ("bounce", "tenant"),
        ("complaint", "tenant"),
        ("manual", "stream"),
        ("manual", "tenant"),
        ("unsubscribe", "tenant"),
    ]


def test_subscribing_again_without_having_left_changes_nothing(acme, ann, url):
    before = AuditEntry.across_tenants.count()
    Visitor().post(url, action="subscribe")
    assert (listed(), told(), AuditEntry.across_tenants.count()) == ([], [], before)


# ---- Bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"List-Unsubscribe": "Two-Clicks"},
        {"list-unsubscribe": "One-Click"},
        {"action": "delete"},
        {"action": ""},
        {"unsubscribe": "1"},
    ],
)
def test_a_post_that_asks_for_nothing_we_know_changes_nothing(ann, url, form):
    assert Visitor().post(url, **form).status_code == 400
    assert (listed(), told()) == ([], [])


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"List-Unsubscribe=One-Click", "application/json"),
        (b"List-Unsubscribe=One-Click&x=" + b"x" * MAX_BODY, "application/x-www-form-urlencoded"),
        (b"--x\r\nbroken", "multipart/form-data"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=" + "x" * 300),
        (b"\xff\xfe\0", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_that_is_no_short_form_changes_nothing(ann, url, body, content_type):
    assert Visitor().send("POST", url, body, content_type).status_code == 400
    assert (listed(), told()) == ([], [])


def test_a_damaged_or_foreign_token_unsubscribes_nobody(ann, acme, globex, url):
    """A21: bit flips, another recipient under the same signature, another tenant's name on it, another secret."""
    token = url.rpartition("/")[2]
    foreign = Addressee(globex.tenant.pk, ann.pk)
    bad = [
        *(
            token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
            for place in range(len(token))
        ),
        token[:-2],
        token + "AA",
        Links("another secret").unsubscribe_url("", Addressee(ann.tenant_id, ann.pk)).rpartition("/")[2],
        links_of(ann).pixel().rpartition("/")[2],
        Links("test-pepper").unsubscribe_url("", foreign).rpartition("/")[2],
    ]
    for one in bad:
        assert Visitor().one_click(f"/u/{one}").status_code == 400, one
        assert Visitor().get(f"/u/{one}").status_code == 400, one
    assert (listed(), told(), status(ann)[0]) == ([], [], "delivered")
    assert Visitor().one_click(url).status_code == 200


def test_a_link_of_mail_that_is_gone_does_not_work(ann, url):
    ann.message.delete()
    for answer in (Visitor().get(url), Visitor().one_click(url)):
        assert answer.status_code == 400
        assert "This link does not work" in answer.content.decode()


def test_other_methods_are_refused(url):
    answer = Visitor().send("PUT", url)
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, POST")


def test_one_link_is_used_only_so_often(ann, url):
    visitor = Visitor()
    codes = [visitor.one_click(url).status_code for _ in range(CHOICES_PER_MINUTE + 1)]
    assert codes == [200] * CHOICES_PER_MINUTE + [429]
    assert visitor.one_click(url)["Retry-After"]
    assert len(told()) == 1


def test_while_the_database_is_away_people_are_asked_to_come_back(monkeypatch, ann, url):
    def gone(*_args, **_more):
        raise OperationalError("gone")

    monkeypatch.setattr(unsubscribe, "_recipient", gone)
    client = Visitor()._client
    for answer in (
        client.get(url, headers={"host": "x.test"}),
        client.post(url, {"List-Unsubscribe": "One-Click"}),
    ):
        assert (answer.status_code, answer["Retry-After"]) == (503, "30")
        assert "Please try again" in answer.content.decode()
