"""What rows ask and set beside the oracle: times, limits, Flower."""

import base64
import json
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from redis import Redis

from mailgrid.core.bells import Priority
from tests.bench.figures import percentile, resident_megabytes
from tests.chaos.case import Case
from tests.chaos.fleet import TRANSPORT, Sender
from tests.chaos.oracle import CANARY
from tests.fakes.ses import Rule

FAULTS: Final = [  # 7.5 % of all calls
    Rule(mode="throttle", probability=0.03),
    *(
        Rule(mode=mode, probability=0.01)
        for mode in ("error_before", "error_after", "hang_after", "close_after")
    ),
    Rule(mode="close_before", probability=0.005),
]
SLOW: Final = 1.0  # seconds: ten times the target of a send request


def time_in(seconds: float) -> str:
    """A time of the future, as the API reads it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def promised_before(case: Case, moment: float) -> int:
    """How many mails were accepted until then; in seconds since 1970."""
    return sum(len(promise.message_ids) for promise in case.promises() if promise.at < moment)


def answered_as_before(case: Case, *, since: float) -> bool:
    """Whether requests were answered in the usual order of magnitude from then on."""
    before = [one.seconds for one in case.promises() if one.at < since]
    after = [one.seconds for one in case.promises() if one.at >= since]
    case.tell(
        p99_ms=round(1000 * percentile(before, 0.99)), p99_then_ms=round(1000 * percentile(after, 0.99))
    )
    return percentile(after, 0.99) < SLOW


def latency(case: Case, priority: str, *, share: float, tenant: str | None = None) -> float:
    """The seconds from accepting to the provider, below which this share of a priority's mail lies."""
    accepted = {
        str(id_): float(at)
        for id_, at in case.fleet.rows(
            """SELECT d.id, extract(epoch FROM m.created_at) FROM emails_delivery d
                 JOIN emails_message m ON m.id = d.message_id
                WHERE d.priority = %s AND coalesce(d.tenant_id = %s::uuid, true)""",
            int(Priority[priority.upper()]),
            tenant,
        )
    }
    taken: dict[str, float] = {}
    for accept in case.ses.journal():
        if accept.delivery in accepted:
            taken.setdefault(str(accept.delivery), accept.time - accepted[str(accept.delivery)])
    seconds = percentile(list(taken.values()), share)
    case.tell(**{f"{priority}_p{share * 100:.0f}_s": round(seconds, 2)})
    return seconds


def limit_account(case: Case, *, per_minute: int | None) -> None:
    """The pace of the account that everybody uses."""
    case.fleet.expect(200, "PATCH", f"/api/transports/{TRANSPORT}", {"per_minute": per_minute})


def try_singles(case: Case, count: int, who: Sender) -> int:
    """Single mails of a tenant, each tried once; how many were accepted. What is refused is over its quota."""
    accepted = 0
    for _ in range(count):
        status, answer = case.load.post_once(who)
        assert status in (200, 429), (status, answer)
        accepted += status == 200
    return accepted


def states_within(case: Case, *, seconds: float, question: str) -> set[str]:
    """Every state in which the deliveries of a condition are seen from now on."""
    until, seen = time.monotonic() + seconds, set()
    while time.monotonic() < until:
        seen |= {
            str(state) for (state,) in case.fleet.rows(f"SELECT state FROM emails_delivery WHERE {question}")
        }
        time.sleep(0.02)
    return seen


def taken_once(case: Case) -> None:
    """So far the provider has taken no mail twice."""
    taken = [accept.delivery for accept in case.ses.journal() if accept.fence != CANARY]
    assert len(taken) == len(set(taken)), f"{len(taken) - len(set(taken))} duplicates"


def memory(case: Case, name: str) -> float:
    """The largest resident memory among a worker's processes, in MB."""
    return max(resident_megabytes(pid) for pid in case.fleet.children(name))


def redis(case: Case) -> Redis:
    """The fleet's Redis, by hand."""
    return Redis.from_url(case.servers.redis.url)


def everything_in_redis(case: Case) -> str:
    """Keys and values, as text."""
    client = redis(case)
    keys = list(client.scan_iter())
    return repr([(key, client.dump(key)) for key in keys])


def flower_sees(case: Case, worker: str) -> bool:
    """Whether Flower shows a task that this worker took since the broker is back."""
    fleet = case.fleet
    case.load.submit(1, batch=1)
    request = urllib.request.Request(f"http://127.0.0.1:{fleet.flower_port}/api/tasks?limit=50")
    access = base64.b64encode(f"operator:{fleet.secrets['FLOWER_PASSWORD']}".encode()).decode()
    request.add_header("Authorization", f"Basic {access}")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            tasks: dict[str, dict[str, Any]] = json.loads(response.read())
    except (urllib.error.URLError, TimeoutError):
        return False
    return any(str(task["worker"]).startswith(worker) for task in tasks.values())
