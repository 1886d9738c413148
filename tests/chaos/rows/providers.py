"""S01 for those who send no events: an SMTP server, which nobody can ask, and the sandbox, which knows."""

from collections.abc import Sequence

from tests.chaos.case import Case
from tests.chaos.registry import row
from tests.fakes.ses import Accept
from tests.fakes.smtp import FakeSmtp
from tests.fakes.smtp import Rule as SmtpRule

MAILS = 12


@row("S01b", budget=90)
def s01b(case: Case) -> None:
    """An SMTP server takes mail and hangs up: once more after the grace, or `unknown`, as the stream wants it."""
    with FakeSmtp() as server:
        account = {"host": "127.0.0.1", "port": server.port, "tls": "none"}
        who = case.fleet.senders[0]
        relay = {"name": f"relay{case.once}", "kind": "smtp", "settings": account}
        case.fleet.expect(201, "POST", "/api/transports", relay, key=who.key)
        for delivery in ("at_least_once", "at_most_once"):
            stream = {"name": f"{delivery}{case.once}", "delivery": delivery, "transport": relay["name"]}
            case.fleet.expect(201, "POST", "/api/streams", stream, key=who.key)
        case.sleep(6)  # web processes ask for a tenant's streams every five seconds
        case.also_taken(lambda: _taken(server))
        server.misbehave(SmtpRule(action="cut", stage="dot", count=2 * MAILS))
        for delivery in ("at_least_once", "at_most_once"):
            case.load.submit(MAILS, batch=1, senders=[who], stream=f"{delivery}{case.once}")
        verdict = case.judge(unknown_allowed=True)
        taken = {accept.delivery for accept in _taken(server)}
    assert (verdict.dups, verdict.unknown) == (MAILS, MAILS)
    assert verdict.states == {"sent": verdict.sends - MAILS, "unknown": MAILS}
    assert case.counter("mailgrid_in_doubt_total", 'outcome="resent"') == MAILS
    assert len(taken) == 2 * MAILS


@row("S01c", budget=60)
def s01c(case: Case) -> None:
    """Workers die with the sandbox's answer in their hands: it is asked, and nothing is sent again."""
    who = case.fleet.senders[0]
    stream = {"name": f"sandbox{case.once}", "transport": "sandbox"}
    case.fleet.expect(201, "POST", "/api/streams", stream, key=who.key)
    case.sleep(6)
    case.also_taken(lambda: _captured(case))
    with case.armed("worker-send", "send.after_call", times=1):
        case.load.submit(20, batch=1, senders=[who], stream=stream["name"])
        case.wait(case.all_struck)
        verdict = case.judge()
    assert verdict.dups == 0
    assert verdict.doubts
    assert verdict.doubts.keys() <= {"question", "event"}  # its events may come before it is asked


def _taken(server: FakeSmtp) -> list[Accept]:
    """The server's journal: each mail's Message-ID is made from its delivery."""
    return [
        _accept(one.message_id.strip("<>").partition("@")[0], one.recipients, at=one.time, id_=one.queue_id)
        for one in server.journal()
    ]


def _captured(case: Case) -> list[Accept]:
    """The sandbox's journal."""
    rows = case.fleet.rows(
        "SELECT delivery_id::text, recipients, extract(epoch FROM at), id::text FROM emails_capturedmail"
    )
    return [_accept(delivery, recipients, at=float(at), id_=id_) for delivery, recipients, at, id_ in rows]


def _accept(delivery: str, recipients: Sequence[str], *, at: float, id_: str) -> Accept:
    return Accept(
        delivery=delivery,
        fence=None,
        ses_id=id_,
        time=at,
        kind="",
        recipients=list(recipients),
        configuration_set="",
        access_key="",
        answer="ok",
    )
