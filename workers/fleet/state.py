"""The state of the fleet for people: groups and their queues, and what is wrong. Reads rows only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from emails.events.models import Notification
from emails.messages.models import Delivery
from mailgrid.core import bells
from mailgrid.core.bells import Priority
from mailgrid.core.models import Pulse
from mailgrid.core.vocabulary import Status
from workers.fleet.models import QueueState, WorkerProcess
from workers.fleet.presence import ALIVE_FOR
from workers.queues import GROUPS

CAP: Final = 100_000  # rows that one number looks at
SILENT_AFTER: Final = timedelta(seconds=30)  # a sweep runs every second
STALE_AFTER: Final = timedelta(minutes=2)  # the broker is looked at every 15 seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """One queue: rows that are due now, processes that serve it, and what the broker said when last looked at.

    `due` is None where a queue has no rows to count. `bells`, `consumers` and `seen_at` are None without a broker.
    """

    name: str
    group: str
    due: int | None
    processes: int
    bells: int | None
    consumers: int | None
    seen_at: datetime | None


def alive(*, now: datetime) -> list[WorkerProcess]:
    """The processes that said so within half a minute, by host and age."""
    return list(
        WorkerProcess.objects.filter(seen_at__gte=now - ALIVE_FOR).order_by("host", "started_at", "pid")
    )


def queues(processes: Sequence[WorkerProcess]) -> list[QueueView]:
    """Every queue, in the order of the groups; two queries beside one count for each kind of row."""
    states = {state.name: state for state in QueueState.objects.all()} if settings.BROKER_URL else {}
    return [
        QueueView(
            name=name,
            group=group,
            due=_due(name),
            processes=sum(name in process.queues for process in processes),
            bells=state.bells if (state := states.get(name)) else None,
            consumers=state.consumers if state else None,
            seen_at=state.seen_at if state else None,
        )
        for group, names in GROUPS.items()
        for name in names
    ]


def problems(*, now: datetime) -> list[str]:
    """What is wrong, in sentences that say what to do; empty when all is well."""
    return list(_problems(now))


def _problems(now: datetime) -> Iterator[str]:
    pulse = Pulse.objects.filter(name="sweep").first()
    if pulse is None or now - pulse.at > SILENT_AFTER:
        yield "No sweep has run for 30 seconds: are beat and worker-maintenance running?"
    if not settings.BROKER_URL:
        return
    found = queues(alive(now=now))
    for group, names in GROUPS.items():
        if not any(queue.processes for queue in found if queue.name in names):
            yield f"No process of worker-{group} is alive: nobody works for {', '.join(names)}."
    looked = [queue for queue in found if queue.seen_at is not None and now - queue.seen_at < STALE_AFTER]
    if not looked:
        yield "Nobody has looked at the broker's queues for two minutes: is RabbitMQ reachable for worker-maintenance?"
    for queue in looked:
        if not queue.consumers:
            yield f"The queue {queue.name} has no consumer at the broker: start worker-{queue.group}, or read its log."


def _due(queue: str) -> int | None:
    if queue in (priorities := {priority.queue: priority for priority in Priority}):
        rows = Delivery.across_tenants.filter(state=Status.QUEUED, priority=priorities[queue])
        return rows.values("pk")[:CAP].count()
    if queue == bells.EVENTS:
        return Notification.objects.filter(state=Notification.State.PENDING).values("pk")[:CAP].count()
    return None
