"""The sweep: what time does to mail. Any number may run: each part leaves what another one is at, and is bounded.

Promote what is due; put what a dead worker left into doubt; decide doubts; expire what is too late; release what
waited for a pause to end; ring for whatever is ready.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from emails.delivery import breaking, doubt, quota
from emails.delivery.ports import Transports
from emails.events import transitions
from emails.messages.queue import passes
from mailgrid.core import failpoints
from mailgrid.core.bells import ring
from mailgrid.core.durations import scaled
from mailgrid.core.locks import alone
from mailgrid.core.logging import get_logger
from mailgrid.core.models import Pulse

log = get_logger(__name__)

CHUNK: Final = 500  # rows of one pass and priority; keeps a step at milliseconds

# So that doubts nobody can decide yet do not crowd out the others.
UNDECIDED_WAIT: Final = timedelta(seconds=scaled(15))

Summary = Counter[str]


def sweep(*, transports: Transports, now: datetime) -> Summary:
    """One pass over the deliveries; how many of them each part moved. A part that fails does not stop the others."""
    done: Summary = Counter()
    for name, part in _PARTS.items():
        failpoints.reach(f"sweep.before_{name}")
        try:
            with alone(f"sweep {name}") as nobody_else:
                if nobody_else:
                    done[name] = part(transports, now)
        except Exception:
            log.exception("emails.sweep.failed", part=name)
    for priority in passes.priorities_with_work():
        ring(priority.queue)
    Pulse.objects.update_or_create(name="sweep", defaults={"at": now})
    return +done


def _expire(_transports: Transports, now: datetime) -> int:
    return transitions.move(passes.expired(now=now, limit=CHUNK), now=now)


def _end_leases(_transports: Transports, now: datetime) -> int:
    return transitions.move(passes.leases_ended(now=now, limit=CHUNK), now=now)


def _decide_doubts(transports: Transports, now: datetime) -> int:
    found = passes.doubts(now=now, limit=CHUNK)
    moves = doubt.decide(found, transports=transports, now=now)
    settled = {move.delivery_id for move in moves}
    undecided = [one.delivery_id for one in found if one.delivery_id not in settled]
    passes.look_again(undecided, at=now + UNDECIDED_WAIT)
    return transitions.move(moves, now=now)


def _release(_transports: Transports, now: datetime) -> int:
    return transitions.move(passes.releasable(now=now, limit=CHUNK), now=now)


def _release_by_quota(_transports: Transports, now: datetime) -> int:
    return quota.release(now=now, limit=CHUNK)


def _release_by_accounts(_transports: Transports, now: datetime) -> int:
    moves = passes.released_by_accounts(now=now, limit=CHUNK) or list(breaking.for_probes(now=now))
    return transitions.move(moves, now=now)


def _promote(_transports: Transports, now: datetime) -> int:
    return transitions.move(passes.due(now=now, limit=CHUNK), now=now)


_PARTS: Final[dict[str, Callable[[Transports, datetime], int]]] = {
    "expired": _expire,
    "leases_ended": _end_leases,
    "decided": _decide_doubts,
    "released": _release,
    "released_by_quota": _release_by_quota,
    "released_by_accounts": _release_by_accounts,
    "due": _promote,
}
