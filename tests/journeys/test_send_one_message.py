"""A developer sends one email and follows it to the end."""


def test_an_email_is_accepted_sent_and_delivered(acme, api, work, mail):
    sent = api(acme).post("/api/emails", mail)
    assert sent.status_code == 200, sent.content
    assert sent.json()["status"] == "queued"
    work.everything()
    read = api(acme).get(f"/api/emails/{sent.json()['id']}").json()
    assert read["status"] == "delivered"
    assert read["last_event"] == "delivered"
    assert read["text"] == "Hello Ann"
    types = [event["type"] for event in api(acme).get(f"/api/emails/{read['id']}/events").json()["data"]]
    assert types == ["email.queued", "email.sent", "email.delivered"]
