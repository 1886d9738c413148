"""Look at the broker for those who may not: depth and listeners of each queue, and bells that died, by reason."""

from collections import Counter
from datetime import datetime
from typing import Any, Final

from amqp.exceptions import NotFound
from django.db import transaction
from django.db.models import F
from kombu import Connection

from mailgrid.core import metrics
from mailgrid.core.logging import get_logger
from workers.celery import app
from workers.fleet.models import DeadBells, QueueState
from workers.publishing import declare_all
from workers.queues import DEAD, QUEUES

log = get_logger(__name__)

DEAD_PER_LOOK: Final = 1000
ALARMING: Final = frozenset({"delivery_limit", "rejected"})  # `maxlen` is a full queue's daily bread

Summary = Counter[str]


def observe_broker(*, now: datetime) -> Summary:
    """One look; how many bells wait, and how many were found dead. Nothing to see where bells travel in memory."""
    if app.conf.broker_transport:  # only the in-memory broker is named so
        return Counter()
    with app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_max=0, timeout=4)
        declare_all(connection)
        waiting = _depths(connection, now=now)
        dead = _count_dead(connection, now=now)
    return Counter(waiting=waiting, dead=dead)


def _depths(connection: Connection, *, now: datetime) -> int:
    rows = []
    for queue in (*QUEUES, DEAD):
        try:
            channel: Any = connection.default_channel
            found = channel.queue_declare(queue.name, passive=True)
        except NotFound:  # not ours to make: it exists with other arguments, or the broker is short of memory
            connection.close()
            continue
        rows.append(
            QueueState(
                name=queue.name, bells=found.message_count, consumers=found.consumer_count, seen_at=now
            )
        )
    fields = ["bells", "consumers", "seen_at"]
    QueueState.objects.bulk_create(rows, update_conflicts=True, unique_fields=["name"], update_fields=fields)
    return sum(row.bells for row in rows)


def _count_dead(connection: Connection, *, now: datetime) -> int:
    """Count, then acknowledge: a crash between the two counts a bell twice, which is better than not at all."""
    channel: Any = connection.channel()
    found: Counter[tuple[str, str]] = Counter()
    last: Any = None
    for _ in range(DEAD_PER_LOOK):
        if (message := channel.basic_get(DEAD.name)) is None:
            break
        found[_death_of(message)] += 1
        last = message
    if last is None:
        return 0
    with transaction.atomic():
        for (queue, reason), count in found.items():
            row, _ = DeadBells.objects.get_or_create(queue=queue, reason=reason, defaults={"last_at": now})
            DeadBells.objects.filter(pk=row.pk).update(count=F("count") + count, last_at=now)
    channel.basic_ack(last.delivery_tag, multiple=True)
    for (queue, reason), count in found.items():
        metrics.bells_dead.labels(queue=queue, reason=reason).inc(count)
        (log.error if reason in ALARMING else log.info)(
            "workers.bells.dead", queue=queue, reason=reason, count=count
        )
    return found.total()


def _death_of(message: Any) -> tuple[str, str]:
    """Where a bell died first, and of what: RabbitMQ's `x-death` header."""
    deaths = (message.headers or {}).get("x-death") or [{}]
    return str(deaths[0].get("queue", "?")), str(deaths[0].get("reason", "?"))
