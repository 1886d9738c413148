"""A tenant's mail through its own SES account, from the API to the provider and back with what became of it."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import pytest

from emails.events.models import Notification
from emails.messages.models import Delivery
from emails.suppressions.models import Suppression
from mailgrid.core import metrics
from tests.conftest import Actor, Api, Work
from tests.fakes.ses import FakeSes, SnsIdentity
from workers.adapters.ses_envelopes import SesEnvelopes
from workers.adapters.sns import SnsVerifier

pytestmark = pytest.mark.django_db

OTHER_TOPIC = "arn:aws:sns:eu-west-1:000000000000:somebody-elses"

Message = dict[str, Any]


class PostBox:
    """Where SNS posts to: keeps every body, for the test to hand on to the hook when it likes."""

    def __init__(self) -> None:
        self._bodies: list[bytes] = []
        kept = self._bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                kept.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def empty(self) -> list[bytes]:
        """What came since the last time."""
        bodies = self._bodies[:]
        del self._bodies[: len(bodies)]
        return bodies


class Account:
    """A tenant's SES account: its transport, the hook of its notifications, and the topic they come from."""

    def __init__(self, ses: FakeSes, post_box: PostBox, api: Api, work: Work, *, topic_arn: str) -> None:
        self._ses, self._post_box, self._api, self._work = ses, post_box, api, work
        settings = {
            "region": "eu-west-1",
            "access_key_id": "AKIDTEST",
            "secret_access_key": "secret",
            "endpoint_url": ses.url,
            "configuration_set": "mailgrid",
            "topic_arns": [topic_arn],
        }
        made = api.post("/api/transports", {"name": "main", "kind": "ses", "settings": settings})
        assert made.status_code == 201, made.content
        self.hook = made.json()["hook_url"].partition("/hooks/")[2]
        for stream in api.get("/api/streams").json()["data"]:
            assert api.patch(f"/api/streams/{stream['id']}", {"transport": "main"}).status_code == 200

    def post(self, body: bytes | Message) -> int:
        """One notification to the hook, as SNS posts it; the status of the answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        status: int = Api(None).post(f"/hooks/{self.hook}", raw).status_code
        return status

    def hear(self) -> dict[str, int]:
        """Let everything that SNS has sent arrive and be worked off; how many notifications ended how."""
        self._ses.drain()
        for body in self._post_box.empty():
            assert self.post(body) == 200
        return self._work.ingest()

    def send(self, mail: Message, **changes: Any) -> str:
        """Accept and hand over one email; its id."""
        sent = self._api.post("/api/emails", mail | changes)
        assert sent.status_code == 200, sent.content
        self._work.deliver()
        return str(sent.json()["id"])

    def statuses(self, email_id: str) -> dict[str, str]:
        """What became of each recipient."""
        email = self._api.get(f"/api/emails/{email_id}").json()
        return {one["email"]: one["status"] for one in email["recipients"]}

    def events(self, email_id: str) -> list[str]:
        listed = self._api.get(f"/api/emails/{email_id}/events").json()["data"]
        return [event["type"] for event in listed]


@pytest.fixture(scope="module")
def running_ses() -> Iterator[FakeSes]:
    with FakeSes() as ses:
        yield ses


@pytest.fixture
def ses(running_ses: FakeSes) -> FakeSes:
    running_ses.unsubscribe_all()
    running_ses.reset()
    return running_ses


@pytest.fixture
def post_box() -> Iterator[PostBox]:
    with PostBox() as box:
        yield box


@pytest.fixture
def account(
    ses: FakeSes, post_box: PostBox, api: Callable[..., Api], acme: Actor, work: Work, settings: Any
) -> Account:
    """Acme's, not yet subscribed to its topic; the certificate of the fake's SNS is found where SNS's would be."""
    settings.UNSAFE_HOSTS = {"127.0.0.1"}
    work.envelopes = SesEnvelopes(SnsVerifier(fetch=lambda _url: ses.certificate_pem))
    return Account(ses, post_box, api(acme), work, topic_arn=ses.topic_arn)


@pytest.fixture
def subscribed(account: Account, ses: FakeSes, post_box: PostBox) -> Account:
    """The same, hearing from SES."""
    ses.subscribe(post_box.url)
    assert account.hear() == {"ignored": 1}
    assert ses.counters()["subscriptions.confirmed"] == 1
    return account


@pytest.fixture
def sent(subscribed: Account, mail: Message, ses: FakeSes) -> str:
    """An email that SES took; its events are ready to be heard."""
    email_id = subscribed.send(mail)
    ses.drain()
    return email_id


def _event(ses: FakeSes, kind: str, **changes: Any) -> Message:
    """SES's event about the last accepted mail, its `mail` changed where asked."""
    accepted = ses.journal()[-1]
    tags = {"mg_d": [accepted.delivery], "mg_f": [accepted.fence]}
    (request,) = [one for one in ses.requests() if accepted.delivery in str(one.json()["EmailTags"])]
    tags |= {tag["Name"]: [tag["Value"]] for tag in request.json()["EmailTags"]}
    mail = {
        "timestamp": "2026-11-22T09:30:00.000Z",
        "messageId": accepted.ses_id,
        "source": "cast@acme.test",
        "destination": accepted.recipients,
        "tags": tags,
    }
    bounced = [{"emailAddress": one, "action": "failed", "status": "5.1.1"} for one in accepted.recipients]
    details: Message = {
        "Delivery": {"delivery": {"timestamp": mail["timestamp"], "recipients": accepted.recipients}},
        "Bounce": {
            "bounce": {
                "timestamp": mail["timestamp"],
                "bounceType": "Permanent",
                "bounceSubType": "NoEmail",
                "bouncedRecipients": bounced,
                "feedbackId": "forged-1",
            }
        },
    }
    return {"eventType": kind, "mail": mail | changes, **details[kind]}


def test_an_email_reaches_ses_once_and_its_delivery_is_known(
    subscribed: Account, ses: FakeSes, acme: Actor, mail: Message, work: Work
) -> None:
    email_id = subscribed.send(mail, subject="Grüße", tags=[{"name": "kind", "value": "welcome"}])
    (accepted,) = ses.journal()
    delivery = Delivery.across_tenants.get(message_id=email_id)
    assert (accepted.delivery, accepted.fence) == (str(delivery.pk), str(delivery.fence))
    assert (accepted.recipients, accepted.configuration_set) == (["ann@example.com"], "mailgrid")
    request = ses.requests()[-1].json()
    assert {tag["Name"]: tag["Value"] for tag in request["EmailTags"]} == {
        "mg_d": str(delivery.pk),
        "mg_f": str(delivery.fence),
        "mg_t": acme.tenant.pk.hex,
        "mg_s": "transactional",
    }
    assert request["Content"]["Simple"]["Subject"]["Data"] == "Grüße"
    assert subscribed.statuses(email_id) == {"ann@example.com": "sent"}
    assert subscribed.hear() == {"applied": 2}
    assert subscribed.statuses(email_id) == {"ann@example.com": "delivered"}
    assert subscribed.events(email_id) == ["email.queued", "email.sent", "email.delivered"]
    work.everything()
    assert len(ses.journal()) == 1


def test_a_bounce_suppresses_the_bounced_recipient_and_nobody_else(
    subscribed: Account, ses: FakeSes, mail: Message, acme: Actor, globex: Actor, api: Callable[..., Api]
) -> None:
    everybody = ["ann@example.com", "bounce@example.com", "abe@example.com"]
    email_id = subscribed.send(mail, to=everybody)
    subscribed.hear()
    assert subscribed.statuses(email_id) == {
        "ann@example.com": "delivered",
        "bounce@example.com": "bounced",
        "abe@example.com": "delivered",
    }
    (row,) = Suppression.across_tenants.all()
    assert (row.tenant_id, row.address, row.origin) == (acme.tenant.pk, "bounce@example.com", "bounce")
    again = subscribed.send(mail, to=everybody)
    assert subscribed.statuses(again)["bounce@example.com"] == "suppressed"
    assert ses.journal()[-1].recipients == ["ann@example.com", "abe@example.com"]
    alone = subscribed.send(mail, to="bounce@example.com")
    assert subscribed.statuses(alone) == {"bounce@example.com": "suppressed"}
    assert len(ses.journal()) == 2
    others = api(globex).post("/api/emails", mail | {"from": globex.sender, "to": "bounce@example.com"})
    assert others.json()["recipients"] == [{"email": "bounce@example.com", "status": "queued"}]


def test_a_complaint_suppresses_too_and_an_out_of_office_reply_does_not(
    subscribed: Account, mail: Message
) -> None:
    email_id = subscribed.send(mail, to=["complaint@example.com", "ooto@example.com"])
    subscribed.hear()
    assert subscribed.statuses(email_id) == {
        "complaint@example.com": "complained",
        "ooto@example.com": "delivered",
    }
    assert [row.address for row in Suppression.across_tenants.all()] == ["complaint@example.com"]


def test_events_may_come_late_twice_and_in_any_order(
    subscribed: Account, ses: FakeSes, mail: Message
) -> None:
    ses.events(duplicate=2.5, reorder=0.5, reorder_ms=20, signature_version="2", seed=7)
    email_id = subscribed.send(mail, to=["ann@example.com", "bounce@example.com", "softbounce@example.com"])
    subscribed.hear()
    assert subscribed.statuses(email_id) == {
        "ann@example.com": "delivered",
        "bounce@example.com": "bounced",
        "softbounce@example.com": "bounced",
    }
    assert sorted(subscribed.events(email_id)) == sorted(
        ["email.queued", "email.sent"] * 3 + ["email.delivered"] + ["email.bounced"] * 2
    )


def test_a_lost_answer_is_settled_by_the_send_event_and_nothing_is_repeated(
    subscribed: Account, ses: FakeSes, mail: Message, work: Work, django_capture_on_commit_callbacks: Any
) -> None:
    ses.misbehave("close_after", count=1)
    email_id = subscribed.send(mail)
    assert subscribed.statuses(email_id) == {"ann@example.com": "in_doubt"}
    work.sweep()
    work.deliver()
    assert len(ses.journal()) == 1
    account = str(Delivery.across_tenants.get().transport_id)
    confirmed = metrics.in_doubt.labels(transport=account, outcome="confirmed")
    with django_capture_on_commit_callbacks(execute=True):
        subscribed.hear()
    assert subscribed.statuses(email_id) == {"ann@example.com": "delivered"}
    assert confirmed._value.get() == 1
    work.everything()
    assert len(ses.journal()) == 1


def test_events_about_sensitive_mail_are_encrypted_until_they_are_worked_off_and_erased_then(
    subscribed: Account, ses: FakeSes, post_box: PostBox, mail: Message, api: Callable[..., Api], acme: Actor
) -> None:
    """SES repeats the subject in each of them, and a one-time code often stands there."""
    codes = {"name": "codes", "sensitive": True, "transport": "main"}
    assert api(acme).post("/api/streams", codes).status_code == 201
    email_id = subscribed.send(mail, subject="Your code is 471108", stream="codes")
    ses.drain()
    bodies = post_box.empty()
    assert len(bodies) == 2
    assert all(b"471108" in body and subscribed.post(body) == 200 for body in bodies)
    kept = Notification.objects.exclude(state="ignored")
    assert all(row.sealed and "471108" not in row.body for row in kept)
    assert subscribed.hear() == {"applied": 2}
    assert subscribed.statuses(email_id) == {"ann@example.com": "delivered"}
    assert list(kept.values_list("body", flat=True)) == ["", ""]


def test_events_about_other_mail_are_kept_as_they_came(
    subscribed: Account, ses: FakeSes, post_box: PostBox, mail: Message
) -> None:
    subscribed.send(mail, subject="Hello")
    ses.drain()
    bodies = post_box.empty()
    assert all(subscribed.post(body) == 200 for body in bodies)
    assert subscribed.hear() == {"applied": 2}
    kept = Notification.objects.filter(state="applied").order_by("id").values_list("body", flat=True)
    assert [text.encode() for text in kept] == bodies


def test_a_replayed_notification_is_applied_once(
    subscribed: Account, sent: str, post_box: PostBox, work: Work
) -> None:
    bodies = post_box.empty()
    for body in bodies * 3:
        assert subscribed.post(body) == 200
    assert work.ingest() == {"applied": len(bodies)}
    events = subscribed.events(sent)
    for body in bodies:
        assert subscribed.post(body) == 200
    assert work.ingest() == {}
    assert subscribed.events(sent) == events == ["email.queued", "email.sent", "email.delivered"]


@pytest.mark.parametrize(
    "forgery", ["unsigned", "another key", "changed text", "another version", "another address"]
)
def test_a_forged_notification_changes_nothing(
    subscribed: Account, sent: str, ses: FakeSes, post_box: PostBox, work: Work, forgery: str
) -> None:
    subscribed.hear()
    before = subscribed.statuses(sent)
    ses.publish_text(json.dumps(_event(ses, "Bounce")))
    ses.drain()
    (genuine,) = map(json.loads, post_box.empty())
    stranger = SnsIdentity.make(region="eu-west-1")
    forged: Message = {
        "unsigned": {name: value for name, value in genuine.items() if name != "Signature"},
        "another key": genuine
        | {
            name: value
            for name, value in stranger.sign(genuine).items()
            if name in {"Signature", "SignatureVersion"}
        },
        "changed text": genuine | {"Message": genuine["Message"].replace("ann@", "abe@")},
        "another version": genuine | {"SignatureVersion": "2"},
        "another address": genuine
        | {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem"},
    }[forgery]
    assert subscribed.post(forged) == 200
    assert work.ingest() == {"refused": 1}
    assert subscribed.statuses(sent) == before == {"ann@example.com": "delivered"}
    assert not Suppression.across_tenants.exists()


def test_the_same_event_does_count_when_it_is_genuine(subscribed: Account, sent: str, ses: FakeSes) -> None:
    """Else the tests of forgeries prove nothing."""
    subscribed.hear()
    ses.publish_text(json.dumps(_event(ses, "Bounce")))
    assert subscribed.hear() == {"applied": 1}
    assert subscribed.statuses(sent) == {"ann@example.com": "bounced"}
    assert Suppression.across_tenants.count() == 1


def test_another_topic_and_another_secret_are_refused_at_the_door(
    subscribed: Account, sent: str, ses: FakeSes, post_box: PostBox
) -> None:
    genuine = json.loads(post_box.empty()[-1])
    stored = Notification.objects.count()
    assert subscribed.post(genuine | {"TopicArn": OTHER_TOPIC}) == 403
    assert subscribed.post({"Type": "Notification"}) == 403
    assert subscribed.post(b"not json") == 400
    subscribed.hook = f"{subscribed.hook[:-1]}{'x' if subscribed.hook[-1] != 'x' else 'y'}"
    assert subscribed.post(genuine) == 404
    assert Notification.objects.count() == stored
    assert subscribed.statuses(sent) == {"ann@example.com": "sent"}


def test_a_subscription_to_another_topic_is_not_confirmed(
    account: Account, ses: FakeSes, post_box: PostBox
) -> None:
    ses.subscribe(post_box.url, OTHER_TOPIC)
    ses.drain()
    (request,) = post_box.empty()
    assert account.post(request) == 403
    assert "subscriptions.confirmed" not in ses.counters()


@pytest.mark.parametrize("known_by", ["tags", "message id"])
def test_an_account_tells_nothing_about_another_tenants_mail(
    subscribed: Account,
    sent: str,
    ses: FakeSes,
    api: Callable[..., Api],
    globex: Actor,
    work: Work,
    post_box: PostBox,
    known_by: str,
) -> None:
    """Who may publish to a topic of their own can sign anything; SES's message id stands in every mail."""
    subscribed.hear()
    bounce = _event(ses, "Bounce")
    if known_by == "message id":
        del bounce["mail"]["tags"]
    theirs = Account(ses, post_box, api(globex), work, topic_arn=OTHER_TOPIC)
    ses.unsubscribe_all()
    ses.subscribe(post_box.url, OTHER_TOPIC)
    assert theirs.hear() == {"ignored": 1}
    ses.publish_text(json.dumps(bounce))
    ses.drain()
    (signed,) = map(json.loads, post_box.empty())
    assert signed["TopicArn"] == OTHER_TOPIC
    assert theirs.post(signed) == 200
    assert work.ingest() == {"applied": 1}
    assert subscribed.statuses(sent) == {"ann@example.com": "delivered"}
    assert not Suppression.across_tenants.exists()
