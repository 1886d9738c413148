"""Mail whose links name their reader: everybody gets a copy of their own, and sees in To and Cc whom it was for."""

import re
from collections import Counter
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message as Parsed
from typing import Any
from uuid import UUID

import pytest

from emails.messages import content as contents
from emails.messages.models import Delivery, Recipient
from emails.models import Message
from emails.submission import verbs
from mailgrid.core.clock import now
from tests.conftest import Actor, Api
from tests.fakes.smtp import FakeSmtp
from tests.journeys.tracked import Visitor

pytestmark = pytest.mark.django_db

PAGE = '<p><a href="https://acme.test/a?b=1&amp;c=2">Look</a> <a href="{{unsubscribe_url}}">No more</a></p>'
EVERYBODY = {
    "to": ["Ann <ann@example.com>", "bob@example.com"],
    "cc": ["cid@example.com"],
    "bcc": ["dan@example.com"],
}


@pytest.fixture
def server(settings: Any) -> Iterator[FakeSmtp]:
    settings.UNSAFE_HOSTS = {"127.0.0.1"}
    with FakeSmtp() as running:
        yield running


@pytest.fixture
def client(api: Any, acme: Actor, server: FakeSmtp) -> Api:
    """acme's, over an SMTP server that keeps what it takes."""
    own: Api = api(acme)
    account = {"host": "127.0.0.1", "port": server.port, "tls": "none"}
    assert (
        own.post("/api/transports", {"name": "main", "kind": "smtp", "settings": account}).status_code == 201
    )
    for stream in ("transactional", "marketing"):
        assert own.patch(f"/api/streams/{stream}", {"transport": "main"}).status_code == 200
    return own


def send(client: Api, acme: Actor, **more: Any) -> str:
    mail = {"from": acme.sender, "subject": "News", "html": PAGE, "variables": {}, **EVERYBODY, **more}
    answer = client.post("/api/emails", mail)
    assert answer.status_code == 200, answer.content
    return str(answer.json()["id"])


def copies(server: FakeSmtp) -> dict[str, Parsed]:
    """The mail each address got; none got two."""
    taken = [
        (address, message_from_bytes(one.content)) for one in server.journal() for address in one.recipients
    ]
    assert len({address for address, _ in taken}) == len(taken)
    return dict(taken)


def html_of(mail: Parsed) -> str:
    (part,) = [one for one in mail.walk() if one.get_content_type() == "text/html"]
    return part.get_payload(decode=True).decode()


def targets(mail: Parsed) -> list[str]:
    return re.findall(r'href="([^"]+)"', html_of(mail))


def test_each_has_links_of_their_own_and_sees_the_others(client, acme, work, server):
    sent = send(client, acme, stream="marketing", track_opens=True, track_clicks=True)
    work.everything()
    got = copies(server)
    assert set(got) == {"ann@example.com", "bob@example.com", "cid@example.com", "dan@example.com"}
    for mail in got.values():
        assert (mail["To"], mail["Cc"], mail["Bcc"]) == (
            "Ann <ann@example.com>, bob@example.com",
            "cid@example.com",
            None,
        )
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    pages = {html_of(mail) for mail in got.values()}
    assert len(pages) == 4
    for mail in got.values():
        clicked, unsubscribe = targets(mail)
        assert "/t/c/" in clicked
        assert mail["List-Unsubscribe"] == f"<{unsubscribe}>"
        assert html_of(mail).count("/t/o/") == 1
    assert Message.across_tenants.get(pk=sent).status == "sent"
    assert Delivery.across_tenants.filter(message_id=sent, state="sent").count() == 4


def test_what_one_does_is_told_of_that_one(client, acme, work, server):
    sent = send(client, acme, stream="marketing", track_opens=True, track_clicks=True)
    work.everything()
    bobs = copies(server)["bob@example.com"]
    clicked, unsubscribe = targets(bobs)
    answer = Visitor().get(clicked)
    assert (answer.status_code, answer["Location"]) == (302, "https://acme.test/a?b=1&c=2")
    Visitor().send("POST", unsubscribe, b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded")
    ended = dict(Recipient.across_tenants.filter(message_id=sent).values_list("address", "status"))
    assert ended == {
        "ann@example.com": "sent",
        "bob@example.com": "unsubscribed",
        "cid@example.com": "sent",
        "dan@example.com": "sent",
    }
    send(client, acme, stream="marketing")
    work.everything()
    later = [address for one in server.journal()[4:] for address in one.recipients]
    assert sorted(later) == ["ann@example.com", "cid@example.com", "dan@example.com"]


def test_who_is_suppressed_gets_no_copy(client, acme, work, server):
    assert client.post("/api/suppressions", {"email": "bob@example.com"}).status_code == 201
    sent = send(client, acme, stream="marketing")
    work.everything()
    assert set(copies(server)) == {"ann@example.com", "cid@example.com", "dan@example.com"}
    states = Delivery.across_tenants.filter(message_id=sent).order_by("pk").values_list("state", flat=True)
    assert list(states) == ["sent", "suppressed", "sent", "sent"]


def test_a_verb_reaches_every_copy(client, acme, work):
    """Many messages, more copies than one step moves."""
    sent = [send(client, acme, stream="marketing", scheduled_at="in 1 hour") for _ in range(3)]
    verbs_step = 5

    def act(action: str) -> dict[str, int]:
        answer = client.post("/api/emails/bulk", {"action": action, "filter": {"stream": "marketing"}})
        assert answer.json()["matched"] == 3, answer.content
        rows = Delivery.across_tenants.filter(message_id__in=sent).values_list("state", flat=True)
        return dict(Counter(rows))

    with pytest.MonkeyPatch.context() as small:
        small.setattr(verbs, "_CHUNK", verbs_step)
        assert act("hold") == {"held": 12}
        assert act("release") == {"scheduled": 12}
        assert act("cancel") == {"canceled": 12}


def test_copies_that_wait_are_held_while_another_one_is_sent(client, acme):
    sent = send(client, acme, stream="marketing")
    first = Delivery.across_tenants.filter(message_id=sent).order_by("pk").first()
    Delivery.across_tenants.filter(pk=first.pk).update(state="in_doubt")
    Message.across_tenants.filter(pk=sent).update(status="in_doubt")
    answer = client.post("/api/emails/bulk", {"action": "hold", "filter": {"stream": "marketing"}})
    assert answer.json()["matched"] == 1
    states = Delivery.across_tenants.filter(message_id=sent).order_by("pk").values_list("state", flat=True)
    assert list(states) == ["in_doubt", "held", "held", "held"]


def test_a_retry_tracks_as_the_first_try_did(client, acme, work, server):
    assert client.patch("/api/streams/transactional", {"track_clicks": True}).status_code == 200
    sent = send(client, acme, to="ann@example.com", cc=None, bcc=None, track_clicks=False)
    Delivery.across_tenants.filter(message_id=sent).update(expires_at=now())
    work.sweep()
    assert client.post(f"/api/emails/{sent}/retry").status_code == 200
    work.everything()
    assert "/t/c/" not in html_of(copies(server)["ann@example.com"])


def test_a_retry_of_sensitive_mail_is_sensitive(client, acme, work):
    assert client.patch("/api/streams/transactional", {"sensitive": True}).status_code == 200
    sent = send(client, acme, to="ann@example.com", cc=None, bcc=None)
    assert client.patch("/api/streams/transactional", {"sensitive": False}).status_code == 200
    Delivery.across_tenants.filter(message_id=sent).update(expires_at=now())
    work.sweep()
    again = client.post(f"/api/emails/{sent}/retry").json()["id"]
    assert contents.is_sealed(UUID(again))


def test_what_a_value_brings_into_a_subject_is_looked_at_too(client, acme):
    mail = {"from": acme.sender, "to": "ann@example.com", "subject": "Hi {{n}}", "text": "x"}
    for value in ("=?utf-8?q?a=0D=0ABcc:_x?=", "{{unsubscribe_url}}"):
        subject = "Hi {{n}}" if value.startswith("=") else value
        answer = client.post("/api/emails", {**mail, "subject": subject, "variables": {"n": value}})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "subject"), answer.content
    assert Message.across_tenants.count() == 0


def test_the_size_counts_what_links_become(client, acme):
    links = "".join(f'<a href="https://acme.test/{n}">x</a>' for n in range(1_000))
    mail = {"from": acme.sender, "to": "ann@example.com", "subject": "x", "html": links}
    plain, tracked = (
        client.post("/api/emails/preflight", {**mail, "track_clicks": wish}).json()["size"]
        for wish in (False, True)
    )
    assert tracked - plain > 1_000 * 150


def test_without_links_of_their_own_all_share_one_mail(client, acme, work, server):
    send(client, acme, html="<p>Hi</p>", variables=None)
    work.everything()
    (one,) = server.journal()
    assert len(one.recipients) == 4
    assert message_from_bytes(one.content)["List-Unsubscribe"] is None


def test_the_readers_own_link_stands_where_the_words_want_it(client, acme, work, server):
    """Also in the text, and without the header fields of a mailing."""
    send(client, acme, to="ann@example.com", cc=None, bcc=None, text="No more: {{unsubscribe_url}}")
    work.everything()
    mail = copies(server)["ann@example.com"]
    look, unsubscribe = targets(mail)
    assert look == "https://acme.test/a?b=1&amp;c=2"
    (text,) = [one for one in mail.walk() if one.get_content_type() == "text/plain"]
    assert text.get_payload(decode=True).decode().strip() == f"No more: {unsubscribe}"
    assert Visitor().get(unsubscribe).status_code == 200
    assert mail["List-Unsubscribe"] is None


def test_a_tenants_own_fields_give_way_where_ours_are_due(client, acme, work, server):
    own = {"List-Unsubscribe": "<https://acme.test/leave>", "X-Acme": "1"}
    for stream in ("transactional", "marketing"):
        send(client, acme, to=f"{stream}@example.com", cc=None, bcc=None, stream=stream, headers=own)
    work.everything()
    got = copies(server)
    assert got["transactional@example.com"]["List-Unsubscribe"] == "<https://acme.test/leave>"
    (ours,) = got["marketing@example.com"].get_all("List-Unsubscribe")
    assert "/u/" in ours
    assert [mail["X-Acme"] for mail in got.values()] == ["1", "1"]


@pytest.mark.parametrize(("who", "wish"), [("tenant", None), ("stream", None), ("request", True)])
def test_tracking_is_what_the_request_the_stream_or_the_tenant_wants(client, acme, work, server, who, wish):
    """Whoever is nearer to the mail decides."""
    assert client.patch("/api/tenant", {"settings": {"track_clicks": who == "tenant"}}).status_code == 200
    if who != "tenant":
        assert (
            client.patch("/api/streams/transactional", {"track_clicks": who == "stream"}).status_code == 200
        )
    send(client, acme, to="ann@example.com", cc=None, bcc=None, track_clicks=wish)
    send(client, acme, to="bob@example.com", cc=None, bcc=None, track_clicks=False)
    work.everything()
    got = copies(server)
    assert ["/t/c/" in html_of(got[f"{name}@example.com"]) for name in ("ann", "bob")] == [True, False]


def test_nobody_looks_on_as_sensitive_mail_is_read(client, acme, work, server):
    assert client.patch("/api/streams/transactional", {"sensitive": True}).status_code == 200
    send(client, acme, to="ann@example.com", cc=None, bcc=None, track_opens=True, track_clicks=True)
    work.everything()
    assert "/t/" not in html_of(copies(server)["ann@example.com"])


def test_a_read_shows_the_mail_before_tracking(client, acme, work):
    sent = send(client, acme, stream="marketing", track_opens=True, track_clicks=True)
    shown = client.get(f"/api/emails/{sent}").json()
    assert "/t/" not in shown["html"]
    assert "https://acme.test/a?b=1&amp;c=2" in shown["html"]
