"""A tenant pulls what happened to its mail."""

import pytest

from emails.events.services import record
from emails.streams.models import Stream
from mailgrid.core.clock import now
from tests.unit.emails.events.mail import accepted, fact

BOUNCE = {
    "type": "Permanent",
    "subType": "NoEmail",
    "message": "A bounce message.",
    "diagnosticCode": ["550 5.1.1"],
}


def sent_by(who, *, test: bool = False, stream: str = "transactional", **more):
    row = Stream.across_tenants.get(tenant=who.tenant, name=stream)
    return accepted(who.tenant, stream=row, test=test, **more)


def told(*facts) -> list[str]:
    for one in facts:
        record([one], now=now())
    return [str(one.event_id) for one in facts]


def ids(response) -> list[str]:
    assert response.status_code == 200
    return [item["id"] for item in response.json()["data"]]


def test_an_event_is_the_webhook_body_plus_object_and_id(api, acme):
    message = sent_by(acme, provider_message_id="0107@eu-west-1.amazonses.com")
    (event_id,) = told(fact(message, "email.bounced", recipient=1, data={"bounce": BOUNCE}))
    event = api(acme).get(f"/api/events/{event_id}").json()
    assert event == {
        "object": "event",
        "id": event_id,
        "type": "email.bounced",
        "created_at": "2026-11-22T09:30:00.000Z",
        "timestamp": "2026-11-22T09:30:00.000Z",
        "data": {
            "email_id": str(message.pk),
            "message_id": "<0107@eu-west-1.amazonses.com>",
            "created_at": "2026-11-22T09:30:00.000Z",
            "from": "Desk <desk@acme.test>",
            "to": ["bob@example.com", "ann@example.com"],
            "subject": "Hi",
            "tags": {"kind": "welcome"},
            "headers": [{"name": "X-Entity-Ref-ID", "value": "42"}],
            "event_id": event_id,
            "seq": event["data"]["seq"],
            "recipient": "bob@example.com",
            "recipient_type": "to",
            "status": "bounced",
            "stream": "transactional",
            "metadata": {"order": 7},
            "test": False,
            "bounce": BOUNCE,
        },
    }
    assert api(acme).get("/api/events").json() == {"object": "list", "has_more": False, "data": [event]}


def test_a_puller_goes_on_from_its_last_id_and_misses_nothing(api, acme):
    message = sent_by(acme)
    made = told(*[fact(message) for _ in range(5)])
    assert ids(api(acme).get("/api/events?limit=2")) == [made[4], made[3]]
    page = api(acme).get("/api/events?order=asc&limit=2")
    assert (ids(page), page.json()["has_more"]) == (made[:2], True)
    assert ids(api(acme).get(f"/api/events?order=asc&limit=2&after={made[1]}")) == made[2:4]
    assert ids(api(acme).get(f"/api/events?order=asc&after={made[4]}")) == []
    later = told(fact(message))
    assert ids(api(acme).get(f"/api/events?order=asc&after={made[4]}")) == later
    assert ids(api(acme).get(f"/api/events?before={made[2]}&limit=1")) == [made[3]]


def test_events_are_filtered(api, acme):
    plain, news = sent_by(acme), sent_by(acme, stream="marketing", tags={"issue": "7"})
    sent, bounced = told(fact(plain, "email.sent"), fact(news, "email.bounced", recipient=1))
    for query, found in [
        ("type=sent", [sent]),
        ("type=email.sent,bounced", [bounced, sent]),
        ("type=sent&type=bounced", [bounced, sent]),
        ("email=bob@EXAMPLE.com", [bounced]),
        (f"email_id={plain.pk}", [sent]),
        ("email_id=0199a0a0-0000-7000-8000-000000000001", []),
        ("broadcast_id=0199a0a0-0000-7000-8000-000000000001", []),
        ("stream=marketing", [bounced]),
        ("stream=gone", []),
        ("tag=issue", [bounced]),
        ("tag=issue:7,kind:welcome", [bounced, sent]),
        ("tag=issue:8", []),
        ("since=2026-11-22T09:30:00Z", [bounced, sent]),
        ("until=2026-11-22T09:30:00Z", []),
        ("type=sent&stream=marketing", []),
    ]:
        assert ids(api(acme).get(f"/api/events?{query}")) == found, query


@pytest.mark.parametrize(
    "query",
    [
        "type=email.eaten",
        "email=nobody",
        "email_id=x",
        "broadcast_id=x",
        "tag=a'b",
        'tag=a".b:c',
        "since=yesterday",
        "order=sideways",
        "limit=0",
        "after=x",
        "after=0199a0a0-0000-7000-8000-000000000001",
        "before=0199a0a0-0000-7000-8000-000000000001",
        "after=0199a0a0-0000-7000-8000-000000000001&before=0199a0a0-0000-7000-8000-000000000001",
        "cursor=1",
    ],
)
def test_a_parameter_that_cannot_be_is_refused(api, acme, query):
    response = api(acme).get(f"/api/events?{query}")
    assert (response.status_code, response.json()["name"]) == (422, "invalid_parameter")


def test_one_messages_story_is_told_oldest_first(api, acme):
    message = sent_by(acme)
    made = told(fact(message, "email.queued"), fact(message, "email.sent"), fact(message))
    told(fact(sent_by(acme)))
    address = f"/api/emails/{message.pk}/events"
    assert ids(api(acme).get(address)) == made
    assert ids(api(acme).get(f"{address}?limit=1&after={made[0]}")) == [made[1]]


def test_a_list_costs_the_same_number_of_queries_however_long(api, acme, django_assert_max_num_queries):
    told(fact(sent_by(acme)))
    api(acme).get("/api/events")
    with django_assert_max_num_queries(2):  # events with their facts, headers
        assert len(ids(api(acme).get("/api/events"))) == 1
    told(*[fact(sent_by(acme)) for _ in range(12)])
    with django_assert_max_num_queries(2):
        assert len(ids(api(acme).get("/api/events"))) == 13


def test_each_mode_sees_its_own_events(api, acme):
    tested = sent_by(acme, test=True)
    made = told(fact(sent_by(acme)), fact(tested))
    assert ids(api(acme).get("/api/events")) == made[:1]
    assert ids(api(acme.test_key).get("/api/events")) == made[1:]
    assert api(acme).get(f"/api/events/{made[1]}").status_code == 404
    assert api(acme).get(f"/api/emails/{tested.pk}/events").status_code == 404


def test_globex_finds_nothing_of_acmes(api, acme, globex):
    message = sent_by(acme)
    (event_id,) = told(fact(message))
    assert ids(api(globex).get("/api/events")) == []
    for address in (
        f"/api/events/{event_id}",
        "/api/events/0199a0a0-0000-7000-8000-000000000001",
        "/api/events/x",
        f"/api/emails/{message.pk}/events",
        "/api/emails/0199a0a0-0000-7000-8000-000000000001/events",
        "/api/emails/x/events",
    ):
        response = api(globex).get(address)
        assert (response.status_code, response.json()["name"]) == (404, "not_found")
    assert ids(api(globex).get(f"/api/events?email_id={message.pk}")) == []
    assert api(globex).get(f"/api/events?after={event_id}").status_code == 422
