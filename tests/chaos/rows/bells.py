"""R: bells get lost, come twice, or are none of ours."""

import json

from tests.chaos import probes
from tests.chaos.case import Case
from tests.chaos.registry import row
from workers.routing import DELIVER


@row("R17", budget=100)
def r17(case: Case) -> None:
    """Web processes die with bells in their hands, and a queue is so full that it drops them: all mail is sent."""
    case.disturbed()
    case.freeze("worker-send")
    case.broker.ring("send.high", DELIVER, 1_200, priority=1)
    with case.submitting(1_000, batch=5):
        for _ in range(4):
            case.sleep(2)
            case.fleet.strike("web")
            case.kills += 1
            case.fleet.wait_for_web()
        case.thaw("worker-send")
    assert case.judge().dups == 0


@row("R18", budget=90)
def r18(case: Case) -> None:
    """Two beats, two sweepers, three times web: nothing is promoted, swept or sent twice."""
    fleet = case.fleet
    with (
        fleet.another("beat"),
        fleet.another("worker-maintenance"),
        fleet.another("web") as second,
        fleet.another("web") as third,
    ):
        case.spread_over(fleet.url, second, third)
        case.submit(500, scheduled_at=probes.time_in(10))
        case.submit(1_000)
        case.sleep(15)
        case.judge()
    case.spread_over(fleet.url)
    assert fleet.rows("SELECT max(fence) FROM emails_delivery") == [(1,)]
    assert not fleet.rows(
        "SELECT 1 FROM emails_event WHERE source = 'mailgrid' GROUP BY recipient_id, type HAVING count(*) > 1"
    )


@row("R24", budget=40, quick=True)
def r24(case: Case) -> None:
    """Somebody publishes garbage, a task nobody knows, and ten megabytes: they are dropped and told, workers live."""
    pid, pool = case.fleet.pid("worker-send"), case.fleet.children("worker-send")
    headers = {"lang": "py", "task": DELIVER, "id": "by-hand"}
    case.broker.publish("send.high", b'{"not json', headers=headers)
    case.broker.publish(
        "send.high", json.dumps([[], {}, {}]).encode(), headers=headers | {"task": "nobody.knows"}
    )
    case.broker.publish("send.high", json.dumps([["x" * 10_000_000], {}, {}]).encode(), headers=headers)
    case.broker.publish("send.high", b"\x80\x04nothing", headers={})
    case.submit(200)
    assert case.judge().dups == 0
    case.wait(lambda: case.broker.depth("send.high") == 0)
    assert (case.fleet.pid("worker-send"), case.fleet.children("worker-send")) == (pid, pool)


@row("R27", budget=110)
def r27(case: Case) -> None:
    """Every worker is replaced, three times over, while mail goes out: nothing is lost, doubted or sent twice."""
    with (
        case.fleet.another("worker-immediate"),  # as a deployment does that is not to be felt
        case.submitting(1_500, rate=2),
        case.steadily(rate=2, priority="immediate", threads=2),
    ):
        for _ in range(3):
            case.sleep(5)
            case.fleet.replace(case.fleet.workers)
            case.fleet.wait_for_workers()
    assert case.judge().dups == 0
    assert case.counter("mailgrid_in_doubt_total") == 0
    assert case.fleet.rows("SELECT max(fence) FROM emails_delivery") == [(1,)]
    assert probes.latency(case, "immediate", share=0.99) < 20.0
