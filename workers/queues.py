"""The queue table: every queue a bell may ring, who serves it, and where bells end that nobody could take.

Quorum queues: a killed broker replays acknowledged bells of classic ones (121 and 122 of 400 in two trials, and none
with quorum). Arguments cannot be changed in place: delete the queue and let it be declared again; bells are no loss.
"""

from typing import Final

from kombu import Exchange, Queue

from mailgrid.core import bells
from mailgrid.core.bells import Priority

EXCHANGE: Final = Exchange("bells", type="direct")
DEAD_EXCHANGE: Final = Exchange("dead", type="fanout")

_ARGUMENTS: Final = {
    "x-queue-type": "quorum",
    "x-delivery-limit": 5,  # RabbitMQ 3.10 has none by default, 4.x has 20
    "x-max-length": 1000,  # one bell stands for any number of rows
    "x-overflow": "drop-head",
    "x-dead-letter-exchange": DEAD_EXCHANGE.name,
}

QUEUES: Final = tuple(
    Queue(
        name,
        EXCHANGE,
        routing_key=name,
        queue_arguments=_ARGUMENTS | {"x-dead-letter-routing-key": name},
    )
    for name in bells.QUEUES
)

# Bells that were refused, dropped, or delivered too often; `workers.fleet.observing` counts them. No work is in it.
DEAD: Final = Queue(
    "dead",
    DEAD_EXCHANGE,
    queue_arguments={
        "x-queue-type": "quorum",
        "x-max-length": 10_000,
        "x-overflow": "drop-head",
        "x-message-ttl": 7 * 86_400 * 1000,  # milliseconds
    },
)

# The worker groups of a fleet. `immediate` is idle by design: a one-time code never waits behind other mail.
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "immediate": (Priority.IMMEDIATE.queue,),
    "send": (Priority.HIGH.queue, Priority.MEDIUM.queue),
    "bulk": (Priority.LOW.queue,),
    "events": (bells.EVENTS, bells.WEBHOOKS),
    "campaigns": (bells.CAMPAIGNS, bells.FETCH),
    "maintenance": (bells.MAINTENANCE,),
}
