"""R: what the fleet stands on ends, hangs, or forgets everything."""

import time

from tests.chaos import probes
from tests.chaos.case import Case
from tests.chaos.registry import row

HUNG = 35.0  # seconds; the catalogue's 60, short: a worker must notice within 30


@row("R04", budget=90)
def r04(case: Case) -> None:
    """The broker is killed while mail goes out, and is back at once, after 2 and after 6 seconds."""
    with case.submitting(2_000):
        for away in (0, 2, 6):
            case.servers.rabbitmq.kill()
            case.sleep(away)
            case.servers.rabbitmq.start()
            case.sleep(2)
    assert case.judge().dups == 0


@row("R05", budget=90)
def r05(case: Case) -> None:
    """The broker loses everything it kept, bells and queues: all mail is sent, all queues are declared again."""
    with case.submitting(2_000):
        case.servers.rabbitmq.wipe()
        case.servers.rabbitmq.start()
    assert case.judge().dups == 0
    case.wait(lambda: not case.broker.missing())


@row("R06", budget=40, quick=True)
def r06(case: Case) -> None:
    """Somebody deletes a queue behind a connected publisher: it declares the queue again, nothing is lost."""
    case.submit(10, priority="medium", batch=1)
    case.freeze("worker-send")  # else the consumer may be quicker
    known = case.fleet.says("workers.bell.unroutable")
    for _ in range(
        5
    ):  # a publisher that connects anew declares the queue, and takes the others' surprise away
        case.broker.delete("send.medium")
        case.submit(40, priority="medium", batch=10, threads=4)
        case.wait(lambda: case.broker.depth("send.medium"))
    case.thaw("worker-send")
    assert case.fleet.says("workers.bell.unroutable") > known
    assert case.judge().dups == 0


@row("R07", budget=110)
def r07(case: Case) -> None:
    """The broker hangs: requests are answered as before, workers notice, and mail goes on without it."""
    case.fleet.start("flower")
    with case.steadily(rate=10):
        case.sleep(5)
        noticed = case.fleet.says("onnection to broker lost")
        case.servers.rabbitmq.freeze()
        began = time.time()
        case.sleep(HUNG)
        asked, taken = probes.promised_before(case, time.time() - 10), case.ses.journal()
        case.servers.rabbitmq.thaw()
    assert probes.answered_as_before(case, since=began)
    assert case.fleet.says("onnection to broker lost") > noticed
    assert sum(accept.time > began for accept in taken) > 0
    assert len(taken) >= asked
    assert case.judge().dups == 0
    case.wait(lambda: probes.flower_sees(case, "send@"))


@row("R08", budget=90)
def r08(case: Case) -> None:
    """The broker raises its memory alarm and takes nothing more: requests are answered, mail goes on, we are told."""
    with case.steadily(rate=10):
        case.sleep(3)
        case.servers.rabbitmq.control("set_vm_memory_high_watermark", "absolute", "1MB")
        began = time.time()
        case.sleep(20)
        asked, taken = probes.promised_before(case, time.time() - 10), case.ses.journal()
        case.servers.rabbitmq.control("set_vm_memory_high_watermark", "absolute", "2GB")
    assert probes.answered_as_before(case, since=began)
    assert sum(accept.time > began for accept in taken) > 0
    assert len(taken) >= asked
    assert case.fleet.says("workers.bell.lost") > 0
    assert case.judge().dups == 0


@row("R09", budget=100)
def r09(case: Case) -> None:
    """Redis is emptied, killed, and away: nobody is locked out, the account's pace holds, no quota begins anew."""
    per_second, quota = 10, 60
    probes.limit_account(case, per_minute=60 * per_second)
    limited = case.fleet.enroll(f"initech{case.once}", daily_quota=quota)
    case.sleep(6)  # workers ask for an account's limits every five seconds
    began = time.time()
    with case.submitting(400):
        within = probes.try_singles(case, 40, limited)
        probes.redis(case).flushall()
        within += probes.try_singles(case, 10, limited)
        assert within == 50
        case.servers.redis.kill()
        case.sleep(8)
        within += probes.try_singles(case, 10, limited)
        case.servers.redis.start()
    case.sleep(6)  # each process has counts of its own for five seconds
    within += probes.try_singles(case, 30, limited)
    seconds, taken = time.time() - began, case.ses.journal()
    probes.limit_account(case, per_minute=None)
    assert case.judge().dups == 0
    bursts = (
        4 * per_second * 6
    )  # a bucket holds a tenth of a minute; it is full at first, and after each loss
    case.tell(taken=len(taken), seconds=round(seconds, 1), quota_used=within)
    assert len(taken) <= 1.2 * per_second * seconds + bursts
    assert quota <= within <= quota + 10


@row("R10", budget=110)
def r10(case: Case) -> None:
    """PostgreSQL crashes every eight seconds: no accepting answer without its row, and 503 with a Retry-After."""
    case.disturbed()
    with case.steadily(rate=20, threads=4):
        for _ in range(3):
            case.sleep(8)
            case.servers.postgres.crash()
            case.servers.postgres.start()
    answers = case.answers()
    case.tell(answers=dict(answers))
    assert set(answers) <= {0, 200, 503}, answers
    assert not case.answers_without_retry_after()
    case.judge()
