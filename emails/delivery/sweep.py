"""The sweep: what time does to mail. Every pass is bounded, and harmless when another sweep runs beside it.

Promote what is due; put what a dead worker left into doubt; decide doubts; expire what is too late; release what
waited for a pause to end; ring for whatever is ready.
"""

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from emails.delivery import doubt
from emails.delivery.ports import Transports
from emails.events import transitions
from emails.messages.queue import passes
from mailgrid.core.bells import Priority, ring
from mailgrid.core.models import Pulse

CHUNK: Final = 500  # rows of one pass and priority; keeps a step at milliseconds

# A doubt is looked at at once, for transports that can be asked; the others are left as they are, for a query.
_LOOK_AT_ONCE: Final = dict.fromkeys(Priority, timedelta(0))

Summary = Counter[str]


def sweep(*, transports: Transports, now: datetime) -> Summary:
    """One pass over the deliveries; how many recipients each part moved."""
    done: Summary = Counter(
        expired=transitions.move(passes.expired(now=now, limit=CHUNK), now=now),
        leases_ended=len(lost := passes.leases_ended(now=now, limit=CHUNK, wait=_LOOK_AT_ONCE)),
        released=len(released := passes.releasable(now=now, limit=CHUNK)),
        due=len(due := passes.due(now=now, limit=CHUNK)),
    )
    transitions.move(lost, now=now)
    decided = doubt.decide(passes.doubts(now=now, limit=CHUNK), transports=transports, now=now)
    transitions.move(decided, now=now)
    transitions.move(released, now=now)
    transitions.move(due, now=now)
    done["decided"] = len(decided)
    for priority in passes.priorities_with_work():
        ring(priority.queue)
    Pulse.objects.update_or_create(name="sweep", defaults={"at": now})
    return +done
