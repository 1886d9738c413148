"""Bells on a real RabbitMQ: confirmed, routed, declared again when somebody deleted their queue, counted when dead."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from kombu import Connection
from kombu.exceptions import ChannelError

from mailgrid.core import bells
from mailgrid.core.bells import Priority
from mailgrid.core.clock import now
from tests.live import free_port, wait_until
from workers.bells import Publisher
from workers.celery import app
from workers.doctor import services
from workers.fleet.models import DeadBells, QueueState
from workers.fleet.observing import observe_broker
from workers.publishing import Line, declare_all
from workers.queues import DEAD, QUEUES

pytestmark = pytest.mark.services

HIGH = Priority.HIGH.queue


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A broker whose queues are declared and empty."""
    with Connection(settings.BROKER_URL) as opened:
        for queue in (*QUEUES, DEAD):
            opened.channel().queue_delete(queue.name)  # type: ignore[attr-defined]
        declare_all(opened)
        yield opened


@pytest.fixture
def line() -> Iterator[Line]:
    """A line to publish on."""
    opened = Line()
    yield opened
    opened.close()


def depth(connection: Connection, queue: str) -> int:
    channel: Any = connection.channel()
    return int(channel.queue_declare(queue, passive=True).message_count)


def test_a_confirmed_bell_is_in_its_queue(connection: Connection, line: Line) -> None:
    line.send(HIGH)
    assert depth(connection, HIGH) == 1
    channel: Any = connection.channel()
    message = channel.basic_get(HIGH)
    assert message.headers["task"] == "workers.tasks.delivery.deliver"
    assert message.properties["delivery_mode"] == 2  # survives a restart of the broker


def test_a_deleted_queue_is_declared_again_and_the_bell_arrives(connection: Connection, line: Line) -> None:
    line.send(HIGH)
    connection.channel().queue_delete(HIGH)  # type: ignore[attr-defined]
    line.send(HIGH)
    assert depth(connection, HIGH) == 1


def test_a_full_queue_drops_its_oldest_bells_into_the_dead_queue_where_they_are_counted(
    connection: Connection, line: Line, db: None
) -> None:
    for _ in range(1005):
        line.send(HIGH)
    assert depth(connection, HIGH) == 1000
    wait_until(lambda: depth(connection, DEAD.name) == 5)
    assert observe_broker(now=now()) == {"waiting": 1005, "dead": 5}
    assert list(DeadBells.objects.values_list("queue", "reason", "count")) == [(HIGH, "maxlen", 5)]
    assert depth(connection, DEAD.name) == 0


def test_a_refused_bell_is_counted_by_its_reason(connection: Connection, line: Line, db: None) -> None:
    line.send(HIGH)
    channel: Any = connection.channel()
    channel.basic_reject(channel.basic_get(HIGH).delivery_tag, requeue=False)
    wait_until(lambda: depth(connection, DEAD.name) == 1)
    observe_broker(now=now())
    assert list(DeadBells.objects.values_list("queue", "reason", "count")) == [(HIGH, "rejected", 1)]


def test_the_depth_of_every_queue_is_written_down(connection: Connection, line: Line, db: None) -> None:
    line.send(bells.EVENTS)
    observe_broker(now=now())
    found = dict(QueueState.objects.values_list("name", "bells"))
    assert found == {queue.name: int(queue.name == bells.EVENTS) for queue in (*QUEUES, DEAD)}


def test_a_queue_that_was_declared_otherwise_is_told_and_stops_no_other(
    connection: Connection, line: Line
) -> None:
    channel: Any = connection.channel()
    channel.queue_delete(HIGH)
    channel.queue_declare(HIGH, durable=True, auto_delete=False)
    line.send(Priority.LOW.queue)
    assert depth(connection, Priority.LOW.queue) == 1
    (told,) = [finding.sentence for finding in services.broker() if not finding.well]
    assert told.startswith(f"The queue {HIGH} was declared otherwise than we need (Queue.declare: (406)")
    assert f"rabbitmqctl delete_queue {HIGH}" in told
    channel.queue_delete(HIGH)


def test_queues_have_limits_that_a_plain_declaration_contradicts(connection: Connection) -> None:
    channel: Any = connection.channel()
    with pytest.raises(ChannelError, match="inequivalent arg 'x-dead-letter-exchange'"):
        channel.queue_declare(HIGH, durable=True, auto_delete=False)


def test_a_wrong_virtual_host_and_a_wrong_password_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    right = settings.BROKER_URL
    for wrong, sentence in (
        (
            right.rstrip("/") + "/nowhere",
            "There is no virtual host 'nowhere' in BROKER_URL, or its user may not",
        ),
        (right.replace("guest:guest", "guest:wrong"), "The user 'guest' of BROKER_URL is refused"),
        (f"amqp://127.0.0.1:{free_port()}//", "Not reachable at 127.0.0.1:"),
    ):
        monkeypatch.setattr(settings, "BROKER_URL", wrong)
        monkeypatch.setattr(app.conf, "broker_read_url", wrong)
        (finding,) = services.broker()
        assert not finding.well
        assert finding.sentence.startswith(sentence)


def test_rings_of_an_unreachable_broker_are_forgotten_and_the_next_ones_arrive(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as away:
        away.setattr(app.conf, "broker_write_url", f"amqp://127.0.0.1:{free_port()}//")
        publisher = Publisher()
        publisher.ring(HIGH)
        assert publisher.flush(30)
    assert depth(connection, HIGH) == 0
    publisher.ring(HIGH)
    wait_until(lambda: depth(connection, HIGH) == 1)


def test_rings_of_one_moment_are_one_bell(connection: Connection) -> None:
    publisher = Publisher()
    for _ in range(100):
        publisher.ring(HIGH)
    assert publisher.flush(30)
    wait_until(lambda: depth(connection, HIGH) >= 1)
    time.sleep(0.2)
    assert depth(connection, HIGH) <= 2  # a ring during the publishing of the first one counts
