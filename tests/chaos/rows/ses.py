"""S: what SES does."""

import json

from tests.chaos import probes
from tests.chaos.case import Case
from tests.chaos.fleet import ACCESS_KEY, SECRET
from tests.chaos.registry import row
from tests.fakes.ses import Rule

_OF_ATTEMPTS = "SELECT count(*) FROM emails_attempt WHERE settled_by = %s"


@row("S01", budget=60, quick=True)
def s01(case: Case) -> None:
    """SES takes each mail and hangs, or hangs up: each is sent once, its SEND event says so, two seconds later."""
    case.ses.events(delay_ms=2_000)
    rules = [Rule(mode=mode, probability=0.5) for mode in ("hang_after", "close_after")]
    case.ses.misbehave(*rules, seed=case.seed)
    case.submit(100)
    verdict = case.judge()
    assert (verdict.dups, verdict.accepts, verdict.doubts) == (0, verdict.sends, {"event": verdict.sends})


@row("S02", budget=100)
def s02(case: Case) -> None:
    """The same while our ingress is down: nothing is repeated, and when events return every doubt ends well."""
    case.ses.misbehave("hang_after", probability=0.5, seed=case.seed)
    with case.deaf():
        case.submit(100)
        case.sent(case.size(100))
        case.ses.misbehave()
        case.submit(100)
        case.sleep(8)  # the grace is over
        probes.taken_once(case)
    assert case.judge().dups == 0


@row("S03", budget=90)
def s03(case: Case) -> None:
    """A tenth of all events is lost for ever: no more mails come twice than lost their answer and their event."""
    case.ses.events(loss=0.1, seed=case.seed)
    case.ses.misbehave("close_after", probability=0.5, seed=case.seed)
    case.submit(400)
    verdict = case.judge(unknown_allowed=True)
    assert verdict.dups <= verdict.bound
    assert case.counter("mailgrid_in_doubt_total") > 0


@row("S04", budget=90)
def s04(case: Case) -> None:
    """SES answers 500, for mail that it took and for mail that it did not: events and silence tell them apart."""
    rules = [Rule(mode=mode, probability=0.2) for mode in ("error_before", "error_after")]
    case.ses.misbehave(*rules, seed=case.seed)
    case.submit(200)
    case.sent(case.size(150))
    case.ses.misbehave()
    assert case.judge().dups == 0
    struck = case.ses.counters()
    repeated = case.fleet.rows(_OF_ATTEMPTS, "silence")[0][0]
    assert repeated == struck["faults.error_before"] > 0
    assert struck["faults.error_after"] > 0


@row("S06", budget=100)
def s06(case: Case) -> None:
    """SES takes 14 a second and is offered 200: the rate is used, no attempt is used up, immediate mail is quick."""
    limit, seconds = 14.0, 25
    case.ses.change_account(max_send_rate=limit, enforce_rate=True)
    case.load.submit(int(limit * seconds), threads=4)
    with case.steadily(rate=1, priority="immediate", threads=1):
        case.sleep(seconds)
    taken = sum(accept.fence != "0" for accept in case.ses.journal())
    case.tell(goodput=round(taken / (limit * seconds), 2), refused=case.ses.counters().get("refusals", 0))
    case.ses.change_account(enforce_rate=False)
    assert case.judge().dups == 0
    assert taken >= 0.1 * limit * seconds
    assert case.fleet.rows("SELECT max(attempts) FROM emails_delivery") == [(1,)]
    assert probes.latency(case, "immediate", share=0.99) < 30.0


@row("S07", budget=60)
def s07(case: Case) -> None:
    """The day's quota is used up: the account is left alone but for a probe now and then, and goes on afterwards."""
    case.ses.misbehave("quota")
    case.submit(300)
    case.wait(lambda: case.fleet.says("emails.breaker.opened"))
    case.sleep(2)
    asked = case.ses.counters()["requests"]
    case.sleep(10)  # as 5 minutes of the product
    assert case.ses.counters()["requests"] - asked <= 2
    case.ses.misbehave()
    assert case.judge().dups == 0


@row("S08", budget=60)
def s08(case: Case) -> None:
    """SES pauses one configuration set: mail of that set waits, all other mail goes out."""
    case.use_configuration_set("notifications", "news")
    case.ses.misbehave("paused", configuration_set="news")
    case.submit(50, stream="notifications")
    case.submit(50)
    case.sent(case.size(50))
    assert {accept.configuration_set for accept in case.ses.journal()} == {"mailgrid"}
    case.ses.misbehave()
    assert case.judge().dups == 0


@row("S09", budget=60)
def s09(case: Case) -> None:
    """The account's credentials are rotated under us: nothing is in doubt, and new ones are taken without a restart."""
    case.submit(50)
    case.ses.change_account(credentials={"AKIDNEW": "another"})
    case.submit(100)
    case.wait(lambda: case.fleet.says("emails.breaker.opened"))
    case.change_account(access_key_id="AKIDNEW", secret_access_key="another")
    assert case.judge().dups == 0
    assert case.counter("mailgrid_in_doubt_total") == 0
    case.ses.change_account(credentials={ACCESS_KEY: SECRET})
    case.change_account(access_key_id=ACCESS_KEY, secret_access_key=SECRET)
    case.sleep(6)  # workers ask for an account every five seconds


@row("S10", budget=40, quick=True)
def s10(case: Case) -> None:
    """SES rejects mails for what they say: each fails once, is not tried again, and says so."""
    case.ses.misbehave("rejected", count=case.size(20))
    case.submit(case.size(20) + 80)
    verdict = case.judge()
    assert verdict.states == {"failed": case.size(20), "sent": verdict.sends - case.size(20)}
    assert case.fleet.rows("SELECT max(fence) FROM emails_delivery") == [(1,)]
    told = "SELECT count(*) FROM emails_event WHERE type = 'email.failed'"
    assert case.fleet.rows(told) == [(case.size(20),)]


@row("S11", budget=90)
def s11(case: Case) -> None:
    """SES answers 200 with half a JSON, without an id, with 100 MB: in doubt until the event, and memory stays."""
    before = probes.memory(case, "worker-send")
    rules = [Rule(mode=mode, probability=0.2) for mode in ("truncated_json", "no_message_id")]
    case.ses.misbehave(*rules, Rule(mode="huge_answer", probability=0.05, count=8), seed=case.seed)
    case.submit(200)
    verdict = case.judge()
    assert verdict.dups == 0
    assert verdict.doubts["event"] > 0
    assert probes.memory(case, "worker-send") < before + 100


@row("S12", budget=60)
def s12(case: Case) -> None:
    """SES's answer drips, a byte at a time: the deadline of the whole call ends it."""
    case.ses.misbehave("slow_drip", drip_ms=200)
    case.submit(50)
    verdict = case.judge()
    assert (verdict.dups, verdict.doubts) == (0, {"event": verdict.sends})


@row("S14", budget=40, quick=True)
def s14(case: Case) -> None:
    """The SEND event comes before we have read the answer: no orphan, sent once."""
    case.ses.misbehave("ok", latency_ms=300)
    case.ses.events(delay_ms=0)
    case.submit(200)
    verdict = case.judge()
    assert verdict.dups == 0
    outcomes = dict(case.fleet.rows("SELECT outcome, count(*) FROM emails_attempt GROUP BY 1"))
    assert outcomes.keys() <= {"sent", "deferred"}  # on a slow machine a lease may be over before a call
    assert outcomes["sent"] == verdict.sends
    assert case.counter("mailgrid_orphan_facts_total") == 0


@row("S15", budget=60, quick=True)
def s15(case: Case) -> None:
    """Every event comes three times and out of order: every recipient ends as the last word says."""
    case.ses.events(duplicate=3, reorder=0.5, reorder_ms=500, seed=case.seed)
    for fate in ("success", "bounce", "complaint", "ooto", "click"):
        case.submit(20, fate=fate)
    assert case.judge().dups == 0
    assert dict(case.fleet.rows("SELECT status, count(*) FROM emails_recipient GROUP BY 1")) == {
        "delivered": 3 * case.size(20),
        "bounced": case.size(20),
        "complained": case.size(20),
    }
    case.run_tests("tests/unit/emails/messages/test_lifecycle.py")


@row("S16", budget=40, quick=True)
def s16(case: Case) -> None:
    """An event of an unknown type, with fields nobody knows, without our tags, for 200: stored, and nobody's harm."""
    case.submit(20)
    case.settle()
    for text in (
        '{"eventType": "Brand New", "mail": {"tags": {}}}',
        "not JSON",
        "[]",
        '{"eventType": "Send"}',
        _delivered_to(200),
    ):
        case.ses.publish_text(text)
    case.submit(20)
    assert case.judge().dups == 0
    states = dict(case.fleet.rows("SELECT state, count(*) FROM emails_notification GROUP BY 1"))
    case.tell(**states)
    assert states.keys() <= {"applied", "ignored", "unreadable"}
    assert case.counter("mailgrid_orphan_facts_total") == 200
    assert case.ses.counters().get("events.retried", 0) == 0


def _delivered_to(count: int) -> str:
    """An event about so many recipients of a mail that is not ours."""
    whom = [f"stranger{number}@example.org" for number in range(count)]
    at = "2026-11-22T09:30:00.000Z"
    mail = {"timestamp": at, "messageId": "nobodys", "destination": whom, "brandNew": {"field": 1}}
    return json.dumps(
        {"eventType": "Delivery", "mail": mail, "delivery": {"timestamp": at, "recipients": whom}}
    )


@row("S05", budget=90)
def s05(case: Case) -> None:
    """Every failure there is: one request on the wire for an attempt, where a plain boto3 client makes three."""
    case.run_tests("tests/contracts/test_ses_faults.py", "tests/contracts/test_ses_bulk.py")
