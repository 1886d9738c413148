"""The sweep: what time does to mail. Every pass is bounded, and harmless when another sweep runs beside it.

Promote what is due; put what a dead worker left into doubt; decide doubts; expire what is too late; release what
waited for a pause to end; ring for whatever is ready.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from emails.delivery import doubt, quota
from emails.delivery.ports import Transports
from emails.events import transitions
from emails.messages.moves import Move
from emails.messages.queue import passes
from mailgrid.core.bells import Priority, ring
from mailgrid.core.models import Pulse

CHUNK: Final = 500  # rows of one pass and priority; keeps a step at milliseconds

UNDECIDED_WAIT: Final = timedelta(
    minutes=1
)  # so that doubts nobody can decide yet do not crowd out the others

# A doubt is looked at at once, for transports that can be asked; the others are left as they are, for a query.
_LOOK_AT_ONCE: Final = dict.fromkeys(Priority, timedelta(0))

Summary = Counter[str]


def sweep(*, transports: Transports, now: datetime) -> Summary:
    """One pass over the deliveries; how many of them each part moved."""
    done = Counter(
        expired=transitions.move(passes.expired(now=now, limit=CHUNK), now=now),
        leases_ended=transitions.move(_leases_ended(now=now), now=now),
        decided=transitions.move(_decided(transports, now=now), now=now),
        released=transitions.move(_releasable(now=now), now=now),
        due=transitions.move(passes.due(now=now, limit=CHUNK), now=now),
    )
    for priority in passes.priorities_with_work():
        ring(priority.queue)
    Pulse.objects.update_or_create(name="sweep", defaults={"at": now})
    return +done


def _leases_ended(*, now: datetime) -> list[Move]:
    return passes.leases_ended(now=now, limit=CHUNK, wait=_LOOK_AT_ONCE)


def _decided(transports: Transports, *, now: datetime) -> list[Move]:
    found = passes.doubts(now=now, limit=CHUNK)
    moves = doubt.decide(found, transports=transports, now=now)
    settled = {move.delivery_id for move in moves}
    undecided = [one.delivery_id for one in found if one.delivery_id not in settled]
    passes.look_again(undecided, at=now + UNDECIDED_WAIT)
    return moves


def _releasable(*, now: datetime) -> list[Move]:
    return [*passes.releasable(now=now, limit=CHUNK), *quota.releasable(now=now, limit=CHUNK)]
