"""Opens and clicks: what a link does, what is told of it, and what nobody can make it do (fault tests A19, A20)."""

import base64
import hashlib
import hmac
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from emails.events.models import Event
from emails.messages.models import Recipient
from emails.tracking import buffer as buffers
from emails.tracking.services import EVENTS_OF_EACH, record_hits
from mailgrid.core.clock import now
from mailgrid.core.tokens import Signer
from tenants.audit.services import SYSTEM
from tenants.tenancy import services as tenancy
from tests.journeys.tracked import FIREFOX, GMAIL, Visitor, links_of, record_hits_now, sent

TARGET = "https://shop.example.com/p?id=1&ref=mail#top"


@pytest.fixture(autouse=True)
def _fresh_buffer(monkeypatch):
    monkeypatch.setattr(buffers, "_buffer", None)


@pytest.fixture
def ann(api, acme, work, mail) -> Recipient:
    """Got a mail of acme's just now."""
    return sent(api(acme), work, mail)


def told(kind: str) -> list[dict]:
    record_hits_now()
    rows = Event.across_tenants.filter(type=f"email.{kind}").order_by("seq")
    return [row.data["open" if kind == "opened" else "click"] for row in rows]


def seen(client, recipient: Recipient) -> tuple[str, dict, dict]:
    email = client.get(f"/api/emails/{recipient.message_id}").json()
    (line,) = (one for one in email["recipients"] if one["email"] == recipient.address)
    return email["last_event"], line["opens"], line["clicks"]


def nothing_happened() -> bool:
    record_hits_now()
    return not Event.across_tenants.filter(type__in=["email.opened", "email.clicked"]).exists()


# ---- Opens ----------------------------------------------------------------------------------------------------------


def test_an_open_is_told_and_counted(api, acme, ann):
    answer = Visitor().get(links_of(ann).pixel())
    assert (answer.status_code, answer["Content-Type"], len(answer.content)) == (200, "image/gif", 43)
    assert answer.content[:6] == b"GIF89a"
    assert answer["Cache-Control"] == "no-store"
    (opened,) = told("opened")
    assert opened == {
        "ipAddress": "127.0.0.1",
        "userAgent": FIREFOX,
        "timestamp": opened["timestamp"],
        "class": "human",
        "reason": "user_agent",
    }
    assert seen(api(acme), ann) == ("opened", {"total": 1, "human": 1}, {"total": 0, "human": 0})
    (event,) = api(acme).get("/api/events", {"type": "opened"}).json()["data"]
    assert (event["data"]["recipient"], event["data"]["status"]) == (ann.address, "delivered")
    assert event["data"]["open"] == opened


def test_a_proxy_opens_and_is_no_person(api, acme, ann):
    Visitor(user_agent=GMAIL).get(links_of(ann).pixel())
    assert [one["class"] for one in told("opened")] == ["proxy"]
    assert seen(api(acme), ann) == ("opened", {"total": 1, "human": 0}, {"total": 0, "human": 0})


def test_a_head_is_no_open_and_no_click(ann):
    links = links_of(ann)
    assert Visitor().send("HEAD", links.pixel()).status_code == 200
    assert Visitor().send("HEAD", links.click(TARGET)).status_code == 302
    assert nothing_happened()


def test_other_methods_are_refused(ann):
    for url in (links_of(ann).pixel(), links_of(ann).click(TARGET)):
        answer = Visitor().send("POST", url)
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
    assert nothing_happened()


def test_what_is_opened_again_and_again_is_counted_and_no_longer_told(api, acme, ann):
    visitor = Visitor()
    for _ in range(EVENTS_OF_EACH + 20):
        visitor.get(links_of(ann).pixel())
    assert len(told("opened")) == EVENTS_OF_EACH
    assert seen(api(acme), ann)[1] == {"total": EVENTS_OF_EACH + 20, "human": EVENTS_OF_EACH + 20}
    Visitor().get(links_of(ann).pixel())
    assert len(told("opened")) == EVENTS_OF_EACH
    assert seen(api(acme), ann)[1]["total"] == EVENTS_OF_EACH + 21


def test_hits_that_are_recorded_twice_count_once(api, acme, ann):
    Visitor().get(links_of(ann).click(TARGET))
    hits = list(buffers.buffer(clock=now)._waiting)
    assert [record_hits(hits, now=now()) for _ in range(2)] == [1, 0]
    assert seen(api(acme), ann)[2] == {"total": 1, "human": 1}


def test_hits_of_an_erased_recipient_are_forgotten(ann):
    url = links_of(ann).pixel()
    ann.message.delete()
    assert Visitor().get(url).status_code == 200
    assert nothing_happened()


# ---- Clicks ---------------------------------------------------------------------------------------------------------


def test_a_click_leads_on_and_is_told(api, acme, ann):
    answer = Visitor().get(links_of(ann).click(TARGET))
    assert (answer.status_code, answer["Location"], answer.content) == (302, TARGET, b"")
    assert (answer["Cache-Control"], answer["Referrer-Policy"]) == ("no-store", "no-referrer")
    (clicked,) = told("clicked")
    assert (clicked["link"], clicked["class"], clicked["userAgent"]) == (TARGET, "human", FIREFOX)
    assert seen(api(acme), ann) == ("clicked", {"total": 0, "human": 0}, {"total": 1, "human": 1})


def test_a_click_goes_on_leading_when_the_content_is_erased(ann):
    url = links_of(ann).click(TARGET)
    ann.message.content.delete()
    assert Visitor(at=now() + timedelta(days=800)).get(url)["Location"] == TARGET


def test_letters_beyond_ascii_are_percent_encoded(ann):
    answer = Visitor().get(links_of(ann).click("https://shop.example.com/straße?q=a b"))
    assert answer["Location"] == "https://shop.example.com/stra%C3%9Fe?q=a%20b"


def test_links_of_sensitive_mail_are_not_kept(api, acme, work, mail):
    api(acme).post("/api/streams", {"name": "codes", "sensitive": True})
    recipient = sent(api(acme), work, mail, stream="codes")
    assert Visitor().get(links_of(recipient).click(TARGET))["Location"] == TARGET
    assert [one["link"] for one in told("clicked")] == [None]


def test_hits_of_test_mail_belong_to_the_test_mode(api, acme, work, mail):
    recipient = sent(api(acme.test_key), work, mail)
    Visitor().get(links_of(recipient).click(TARGET))
    record_hits_now()
    found = {
        who: len(api(who).get("/api/events", {"type": "clicked"}).json()["data"])
        for who in (acme.key, acme.test_key)
    }
    assert found == {acme.key: 0, acme.test_key: 1}


EVIL = [
    *(
        "//evil.test",
        "/\\evil.test",
        "https:evil.test",
        "https://evil.test\r\nSet-Cookie: a=b",
        "data:text/html,x",
    ),
    *("javascript:alert(1)", "https://good.example\\@evil.test", "", "evil.test", "https://evil.test/\n"),
]


@pytest.mark.parametrize("evil", EVIL)
def test_a_click_never_leads_where_no_click_may_lead_even_with_our_signature(settings, ann, evil):
    """A19: as if somebody had made us sign it."""
    payload = b"\x01" + ann.tenant_id.bytes + ann.pk.bytes + evil.encode()
    token = Signer(settings.KEY_PEPPER, purpose="click").sign(payload)
    answer = Visitor().get(f"/t/c/{token}")
    assert answer.status_code == 400
    assert "Location" not in answer
    assert nothing_happened()


def damaged(token: str) -> list[str]:
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    flipped = bytes([*raw[:20], raw[20] ^ 1, *raw[21:]])
    own_key = hmac.digest(b"guessed", raw[:-16], hashlib.sha256)[:16]
    return [
        token[:-1],
        token + "A",
        token[:30] + token[31:],
        token.swapcase(),
        base64.urlsafe_b64encode(flipped).rstrip(b"=").decode(),
        base64.urlsafe_b64encode(raw[:-16] + own_key).rstrip(b"=").decode(),
        base64.urlsafe_b64encode(raw[:-16]).rstrip(b"=").decode(),
        "x" * 8_000,
        "%00",
        "%0d%0aLocation:%20https://evil.test",
        "..%2f..%2fadmin",
    ]


def test_a_damaged_click_is_a_page_that_leads_nowhere(ann):
    """A19: tampered tokens are 400, whatever the query adds."""
    token = links_of(ann).click(TARGET).rpartition("/")[2]
    for bad in damaged(token):
        answer = Visitor().get(f"/t/c/{bad}?url=https://evil.test&u=https://evil.test")
        assert answer.status_code in {400, 404}, bad
        assert "Location" not in answer
        assert b"evil" not in answer.content
        assert (
            "default-src 'none'" in answer["Content-Security-Policy"] if answer.status_code == 400 else True
        )
    assert nothing_happened()


def test_a_query_changes_nothing(ann):
    url = links_of(ann).click(TARGET)
    assert Visitor().get(f"{url}?url=https://evil.test&next=//evil.test")["Location"] == TARGET


def test_a_pixel_forged_for_somebody_else_looks_like_any_and_counts_nothing(ann):
    """A20: the recipient is under the signature."""
    token = links_of(ann).pixel().rpartition("/")[2]
    good = Visitor().send("HEAD", f"/t/o/{token}")
    for bad in [one for one in damaged(token) if "%" not in one]:
        answer = Visitor().get(f"/t/o/{bad}")
        assert (answer.status_code, len(answer.content), answer["Content-Type"]) == (200, 43, "image/gif"), (
            bad
        )
        assert answer.headers.keys() == good.headers.keys()
    assert nothing_happened()


# ---- Machines -------------------------------------------------------------------------------------------------------


def test_a_scanner_that_looks_at_everything_on_arrival_is_seen_as_one(api, acme, ann):
    """A20: twenty requests within two seconds of the delivery, under the name of a browser."""
    delivered = Event.across_tenants.get(type="email.delivered", recipient=ann).occurred_at
    links, scanner = links_of(ann), Visitor(at=delivered + timedelta(seconds=1.9))
    for place in range(10):
        scanner.get(links.pixel())
        scanner.send("HEAD", links.click(f"https://shop.example.com/{place}"))
        scanner.get(links.click(f"https://shop.example.com/{place}"))
    assert {one["class"] for one in told("opened") + told("clicked")} == {"scanner"}
    assert {one["reason"] for one in told("opened")} == {"too_soon"}
    assert seen(api(acme), ann) == ("delivered", {"total": 10, "human": 0}, {"total": 10, "human": 0})


def test_many_links_at_once_are_no_person_also_long_after(ann):
    visitor = Visitor()
    for place in range(3):
        visitor.get(links_of(ann).click(f"https://shop.example.com/{place}"))
    assert {(one["class"], one["reason"]) for one in told("clicked")} == {("scanner", "many_links")}


def test_links_that_were_recorded_a_moment_ago_count_as_near(ann):
    links, visitor = links_of(ann), Visitor()
    for place in range(2):
        visitor.get(links.click(f"https://shop.example.com/{place}"))
    assert {one["class"] for one in told("clicked")} == {"human"}
    visitor.get(links.click("https://shop.example.com/2"))
    assert [one["class"] for one in told("clicked")] == ["human", "human", "scanner"]


def test_the_same_link_again_and_again_is_one_link(ann):
    visitor = Visitor()
    for _ in range(5):
        visitor.get(links_of(ann).click(TARGET))
    assert {one["class"] for one in told("clicked")} == {"human"}


def test_a_prefetch_says_so(ann):
    Visitor().get(links_of(ann).click(TARGET), sec_purpose="prefetch")
    assert [(one["class"], one["reason"]) for one in told("clicked")] == [("scanner", "prefetched")]


# ---- Hosts ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def own_hosts(settings, acme, globex):
    """acme and globex have tracking hosts."""
    settings.PUBLIC_URL = "https://mail.example.com"
    for actor in (acme, globex):
        values = {"settings": {"tracking_host": f"links.{actor.domain}"}}
        tenancy.update(tenant_id=actor.tenant.pk, values=values, actor=SYSTEM, now=now())


def test_links_begin_with_the_tenants_own_host(own_hosts, api, acme, work, mail):
    links = links_of(sent(api(acme), work, mail))
    assert {urlsplit(url)[:2] for url in (links.pixel(), links.click(TARGET), links.unsubscribe())} == {
        ("https", "links.acme.test")
    }


@pytest.mark.parametrize("host", ["links.globex.test", "LINKS.globex.test:443", "links.globex.test."])
def test_a_tenants_host_serves_no_links_of_others(own_hosts, api, acme, work, mail, host):
    """A19: another tenant's token is a bad one there."""
    links = links_of(sent(api(acme), work, mail))
    assert Visitor().get(links.click(TARGET), host=host).status_code == 400
    assert Visitor().get(links.unsubscribe(), host=host).status_code == 400
    assert len(Visitor().get(links.pixel(), host=host).content) == 43
    assert nothing_happened()


@pytest.mark.parametrize(
    "host", ["links.acme.test", "links.acme.test:8443", "mail.example.com", "old.example.com", ""]
)
def test_links_work_at_every_other_host(own_hosts, api, acme, work, mail, host):
    links = links_of(sent(api(acme), work, mail))
    assert Visitor().get(links.click(TARGET), host=host)["Location"] == TARGET
    assert Visitor().get(links.unsubscribe(), host=host).status_code == 200
