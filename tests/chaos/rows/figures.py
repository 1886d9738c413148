"""The catalogue's rows in full length, for docs/reliability.md: `make chaos ROWS=R03.full`; tier 1 leaves them out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from tests.chaos import killer, probes
from tests.chaos.case import Case
from tests.chaos.oracle import Verdict
from tests.chaos.registry import row

_BATCH = 500  # mails of a request, where many are to be queued


@row("R03.full", budget=1_800, tier=2)
def r03_full(case: Case) -> None:
    """20,000 mails; a process dies every 300 ms, the database every 8 s, and 7.5 % of SES's answers are faults."""
    verdict = _broken(case, 20_000)
    assert verdict.dups == 0


@row("R03.loss", budget=900, tier=2)
def r03_loss(case: Case) -> None:
    """The same with 5,000 mails, and a tenth of all events is lost for ever: duplicates stay within the bound."""
    case.ses.events(loss=0.1, seed=case.seed)
    _broken(case, 5_000)


@row("R05.full", budget=1_500, tier=2)
def r05_full(case: Case) -> None:
    """100,000 mails are queued when the broker loses everything it kept: all are sent, after seconds at most."""
    case.ses.events(loss=1)
    case.freeze("worker-send")
    case.submit(100_000, batch=_BATCH)
    case.thaw("worker-send")
    case.sent(case.size(2_000))
    case.servers.rabbitmq.wipe()
    wiped = time.time()
    case.servers.rabbitmq.start()
    back = time.time()
    case.sent(case.size(100_000))
    case.judge()
    times = sorted(accept.time for accept in case.ses.journal())
    gaps = [later - earlier for earlier, later in pairwise(times) if later > wiped]
    case.tell(
        broker_away_s=round(back - wiped, 1),
        longest_pause_s=round(max(gaps), 1),
        sent_meanwhile=sum(wiped < at < back for at in times),
        per_second=round(len(gaps) / (times[-1] - wiped)),
    )
    assert max(gaps) < 50.0


@row("R07.full", budget=150, tier=2)
def r07_full(case: Case) -> None:
    """50 requests a second while the broker hangs for a minute: they are answered as before."""
    with case.steadily(rate=50, threads=16):
        case.sleep(15)
        case.servers.rabbitmq.freeze()
        began = time.time()
        case.sleep(60)
        case.servers.rabbitmq.thaw()
    assert probes.answered_as_before(case, since=began)
    assert case.judge().dups == 0


@row("F01.full", budget=1_800, tier=2)
def f01_full(case: Case) -> None:
    """200,000 mails of one tenant are queued; another one's immediate mail, one a second, is not held up."""
    loud, quiet = case.fleet.senders
    case.ses.events(loss=1)
    case.freeze("worker-bulk")
    case.submit(200_000, batch=_BATCH, senders=[loud], priority="low")
    case.thaw("worker-bulk")
    with case.steadily(rate=1, threads=2, senders=[quiet], priority="immediate"):
        case.sleep(60)
    case.tell(queued=case.fleet.rows("SELECT count(*) FROM emails_delivery WHERE state = 'queued'")[0][0])
    probes.latency(case, "immediate", share=0.5)
    probes.latency(case, "immediate", share=1.0)
    assert probes.latency(case, "immediate", share=0.99) < 10.0
    case.judge()


def _broken(case: Case, count: int) -> Verdict:
    """So many mails under everything at once."""
    case.ses.misbehave(*probes.FAULTS, seed=case.seed)
    began = time.time()
    with (
        case.killing(killer.pool_process, every=0.3),
        _crashing(case, every=8.0),
        case.submitting(count),
    ):
        case.sent(case.size(count) * 95 // 100)  # what is in doubt then waits for later mail
    case.ses.misbehave()
    verdict = case.judge()
    case.tell(seconds=round(time.time() - began), settled_by_event=verdict.doubts.get("event", 0))
    return verdict


@contextmanager
def _crashing(case: Case, *, every: float) -> Iterator[None]:
    """The database ends at once, and starts again, every so many seconds."""

    def strike() -> bool:
        case.servers.postgres.crash()
        case.servers.postgres.start()
        return True

    with killer.killing(strike, every=every) as striking:
        yield
    case.tell(database_crashes=striking.kills)
