"""Database, broker and Redis: are they there, are they what we need?"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from amqp.exceptions import AccessRefused, NotAllowed
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu.exceptions import ChannelError, OperationalError
from redis import Redis
from redis.exceptions import RedisError

from mailgrid.core.clock import now
from workers.celery import app
from workers.doctor.findings import Check, Finding, ill, run, well
from workers.queues import DEAD, QUEUES

_SKEW_SECONDS: Final = 2.0
# PostgreSQL: what makes "accepted" mean "durable" (delivery.md 5).
_DURABLE: Final = {
    "fsync": {"on"},
    "full_page_writes": {"on"},
    "synchronous_commit": {"on", "remote_write", "remote_apply"},
}


def database() -> Iterator[Finding]:
    """Reachable, migrated, durable, and of our time."""
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        yield ill(
            "database",
            f"Not reachable: {_first_line(error)}. Is DATABASE_URL right, and does the server run?",
        )
        return
    yield well("database", f"{connection.display_name} answers.")
    executor = MigrationExecutor(connection)
    if missing := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        number = "One migration is" if len(missing) == 1 else f"{len(missing)} migrations are"
        yield ill("database", f"{number} missing: run `manage.py migrate`.")
    else:
        yield well("database", "All migrations are applied.")
    if connection.vendor == "postgresql":
        yield from _durability()
        yield _clock()


def _durability() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(_DURABLE)])
        wrong = [f"{name}={setting}" for name, setting in cursor.fetchall() if setting not in _DURABLE[name]]
    if wrong:
        yield ill(
            "database", f"Accepted mail may be lost in a crash: the server runs with {', '.join(wrong)}."
        )
    else:
        yield well("database", "Commits survive a crash.")


def _clock() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        told: datetime = cursor.fetchone()[0]
    skew = abs((now() - told).total_seconds())
    if skew > _SKEW_SECONDS:
        return ill("clock", f"This machine and the database differ by {skew:.0f} s: set the time (NTP).")
    return well("clock", "This machine and the database agree about the time.")


def broker() -> Iterator[Finding]:
    """Reachable, with every queue as we need it."""
    if not settings.BROKER_URL:
        yield well("broker", "None is needed: bells travel inside the one process.")
        return
    where = urlsplit(settings.BROKER_URL)
    try:
        with app.connection_for_read() as line:
            line.ensure_connection(max_retries=1, interval_start=0, interval_max=0, timeout=4)
            version = line.connection.server_properties.get("version", "?")
            yield well("broker", f"RabbitMQ {version} answers.")
            for queue in (*QUEUES, DEAD):
                channel: Any = line.channel()
                try:
                    queue(channel).declare()
                except ChannelError as error:
                    yield ill("broker", _not_ours(queue.name, error))
                else:
                    channel.close()
    except NotAllowed:
        yield ill(
            "broker", f"There is no virtual host {where.path[1:]!r} in BROKER_URL, or its user may not enter."
        )
    except AccessRefused:
        yield ill("broker", f"The user {where.username!r} of BROKER_URL is refused: wrong password?")
    except (OperationalError, OSError) as error:
        yield ill("broker", f"Not reachable at {where.hostname}:{where.port or 5672}: {_first_line(error)}")


def _not_ours(queue: str, error: Exception) -> str:
    return (
        f"The queue {queue} was declared otherwise than we need ({_first_line(error)}). Delete it with "
        f"`rabbitmqctl delete_queue {queue} --vhost {_vhost()}`: it holds bells only, the mail is in the database."
    )


def _vhost() -> str:
    return unquote(urlsplit(settings.BROKER_URL).path[1:]) or "/"


def redis() -> Iterator[Finding]:
    """Reachable."""
    if not settings.REDIS_URL:
        yield well("redis", "None is needed: limits and quotas are counted inside the one process.")
        return
    where = urlsplit(settings.REDIS_URL)
    try:
        with Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=2) as client:
            version = client.info("server")["redis_version"]
    except (RedisError, OSError) as error:
        yield ill("redis", f"Not reachable at {where.hostname}:{where.port or 6379}: {_first_line(error)}")
    else:
        yield well("redis", f"Redis {version} answers.")


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__


def unreachable() -> list[Finding]:
    """What cannot even be reached; the first finding of each check says so."""
    first = [next(iter(run([check]))) for check in CHECKS]
    return [finding for finding in first if not finding.well]


CHECKS: Final[tuple[tuple[str, Check], ...]] = (("database", database), ("broker", broker), ("redis", redis))
