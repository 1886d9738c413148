"""F: one tenant's mail does not hold up another's."""

from tests.chaos import probes
from tests.chaos.case import Case
from tests.chaos.registry import row

SECONDS = 15


@row("F01", budget=90)
def f01(case: Case) -> None:
    """A tenant has thousands of mails queued that are not urgent; another one's immediate mail is not held up."""
    loud, quiet = case.fleet.senders
    case.ses.events(loss=1)  # their stories are not the point, and cost more than the sending
    case.submit(10_000, batch=500, senders=[loud], priority="low")
    waiting = case.fleet.rows("SELECT count(*) FROM emails_delivery WHERE state = 'queued'")[0][0]
    with case.steadily(rate=2, threads=2, senders=[quiet], priority="immediate"):
        case.sleep(SECONDS)
    case.tell(queued=waiting)
    assert probes.latency(case, "immediate", share=0.99) < 10.0
    assert case.judge().dups == 0


@row("F02", budget=90)
def f02(case: Case) -> None:
    """A tenant floods the immediate lane, and is stopped at its quota; another one's immediate mail is not held up."""
    _, quiet = case.fleet.senders
    case.ses.events(loss=1)
    flood = case.size(3_000)
    loud = case.fleet.enroll(f"flood{case.once}", daily_quota=flood)
    with case.steadily(rate=2, threads=2, senders=[quiet], priority="immediate"):
        case.load.submit(flood, batch=500, senders=[loud], priority="immediate")
        assert probes.try_singles(case, 5, loud) == 0
        case.sleep(SECONDS)
    assert probes.latency(case, "immediate", share=0.99, tenant=quiet.tenant_id) < 20.0
    assert case.judge().dups == 0
