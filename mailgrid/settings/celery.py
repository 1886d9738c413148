"""Celery's settings, each with its reason. Bells only: no results, no retries, no times (docs/adr/0001).

`BROKER_URL` decides how bells travel: through RabbitMQ between processes, or through memory inside one.
"""

import socket
from typing import Any

from mailgrid.env import env

BROKER_URL = env("BROKER_URL")

CELERY_TASK_SERIALIZER = "json"  # pickle would run the code of whoever reaches the broker
CELERY_EVENT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = (
    True  # backends have hangs of their own; Flower reads what tasks return from events
)
CELERY_RESULT_EXPIRES = None  # else beat gets a task that cleans up results nobody keeps
CELERY_TASK_ACKS_LATE = True  # a bell of a dead worker rings again
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_ACKS_ON_FAILURE = True  # False rejects without requeue: the bell would go to the dead queue
CELERY_TASK_ACKS_ON_TIMEOUT = True  # False repeats a task that times out for ever
CELERY_TASK_CREATE_MISSING_QUEUES = False  # a mistyped queue must fail, not appear
CELERY_TASK_DEFAULT_QUEUE = "maintenance"
CELERY_TASK_DEFAULT_EXCHANGE = "bells"
CELERY_TASK_DEFAULT_EXCHANGE_TYPE = "direct"
CELERY_TASK_DEFAULT_ROUTING_KEY = "maintenance"
CELERY_TASK_PUBLISH_RETRY = False  # the sweep is the retry
CELERY_WORKER_PREFETCH_MULTIPLIER = 1  # running tasks fill the slots, nothing is hoarded
CELERY_WORKER_ENABLE_REMOTE_CONTROL = (
    False  # its queues grow with the fleet; nobody stops workers from a browser
)
CELERY_WORKER_CONSUMER = "workers.consumer:QuietConsumer"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
# Else Celery closes the database connection after each task: in a trial, 227 instead of 360 emails/s on SQLite.
CELERY_DB_REUSE_MAX = 1_000_000_000
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 5
DJANGO_CELERY_BEAT_TZ_AWARE = True


def in_memory() -> dict[str, Any]:
    """One process: the strict-order transport of `workers.memory`."""
    return {
        "CELERY_BROKER_URL": "memory://localhost/",
        "CELERY_BROKER_TRANSPORT": "workers.memory:Transport",
        # The in-memory transport polls once a second by default: in a trial 63 of 200 bells were handled in 30 s.
        "CELERY_BROKER_TRANSPORT_OPTIONS": {"polling_interval": 0.01},
    }


def over_rabbitmq(url: str, role: str) -> dict[str, Any]:
    """A fleet: nothing waits for the broker without an end, and a worker notices when it hangs."""
    return {
        "CELERY_BROKER_URL": url,
        "CELERY_BROKER_TRANSPORT_OPTIONS": {
            "confirm_publish": True,
            "confirm_timeout": 3,
            "max_retries": 2,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 0.5,
            # Confirms without a read timeout wait for ever under a broker's memory alarm.
            "read_timeout": 10,
            "write_timeout": 10,
            "client_properties": {"connection_name": f"mailgrid-{role or 'process'}-{socket.gethostname()}"},
        },
        "CELERY_BROKER_CONNECTION_TIMEOUT": 4,
        "CELERY_BROKER_HEARTBEAT": 10,  # a hung broker was noticed after 20 to 22 s
        # Flower asks four things at once, each over a connection and one more for its producer: four would deadlock.
        "CELERY_BROKER_POOL_LIMIT": 16 if role == "flower" else 4,
        "CELERY_BROKER_POOL_ACQUIRE_TIMEOUT": 5,
        "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": True,
        "CELERY_BROKER_CONNECTION_MAX_RETRIES": None,  # workers wait for the broker, and poll the database meanwhile
        "CELERY_WORKER_DETECT_QUORUM_QUEUES": True,
        "CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS": False,
        "CELERY_WORKER_SEND_TASK_EVENTS": True,  # what Flower shows
        "CELERY_TASK_SEND_SENT_EVENT": False,
        "CELERY_TASK_TIME_LIMIT": 120,  # above the lease of 90 s; no soft limit, it could fire inside settle
        "CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT": 45,  # below systemd's TimeoutStopSec
        "CELERY_WORKER_ENABLE_SOFT_SHUTDOWN_ON_IDLE": False,
        "CELERY_WORKER_MAX_TASKS_PER_CHILD": 5000,
        "CELERY_WORKER_MAX_MEMORY_PER_CHILD": 400_000,  # KiB; close to the base it would mean a process per task
    }


globals().update(over_rabbitmq(BROKER_URL, env("ROLE")) if BROKER_URL else in_memory())
