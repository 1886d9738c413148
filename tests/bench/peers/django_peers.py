"""The peers that are Django applications, or its e-mail backends."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

from mailgrid.env import BASE_DIR
from tests.bench.django_fleet import DjangoFleet
from tests.bench.peers.environment import python_of
from tests.bench.peers.peer import Enqueued
from tests.bench.stage import Stage

_PROCESSES: Final = 2  # as many as Mailgrid's web server and worker have


class DjangoPeer(DjangoFleet):
    """Nothing runs but who enqueues, and who sends."""

    settings = "tests.bench.peers.inside.settings"
    packages: ClassVar[tuple[str, ...]]
    sends: ClassVar[str]  # words for the environment's Python

    def __init__(self, stage: Stage, directory: Path) -> None:
        self.python = python_of(self.name, *self.packages)
        super().__init__(directory, PEER=self.name, SMTP_PORT=str(stage.provider.smtp_port))

    def prepare(self) -> None:
        self.run("-m", "tests.bench.peers.inside.bootstrap")

    @contextmanager
    def turn(self) -> Iterator[None]:
        """There is no server."""
        yield

    def enqueue(self, emails: int) -> Enqueued:
        """In two processes at once."""
        each = -(-emails // _PROCESSES)
        parts = [(first, min(each, emails - first)) for first in range(0, emails, each)]
        callers = [self._caller(first, count) for first, count in parts]
        for caller in callers:
            assert caller.stdout is not None
            caller.stdout.readline()
        said = [json.loads(caller.communicate("go\n", timeout=600)[0]) for caller in _told(callers)]
        seconds = max(one["ended"] for one in said) - min(one["began"] for one in said)
        return Enqueued(seconds=seconds, cpu_seconds=sum(one["cpu"] for one in said))

    @contextmanager
    def sending(self, priority: str) -> Iterator[int]:
        """Its own way to send what waits."""
        with self.running("worker", ["sh", "-c", self.sends.replace("python", str(self.python))]) as pid:
            yield pid

    def _caller(self, first: int, count: int) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [str(self.python), "-m", "tests.bench.peers.inside.enqueue", str(first), str(count)],
            cwd=BASE_DIR,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def _told(callers: "list[subprocess.Popen[str]]") -> "list[subprocess.Popen[str]]":
    """All of them may begin."""
    for caller in callers:
        assert caller.stdin is not None
        caller.stdin.write("go\n")
        caller.stdin.flush()
    return callers


class PostOffice(DjangoPeer):
    """`send_queued_mail` with two processes of ten threads each."""

    name = "django-post-office"
    packages = ("django-post_office==3.12.0", "django==5.2.*", "psycopg[binary]")
    sends = "exec python -m tests.bench.peers.inside.send send_queued_mail --processes 2"


class DjangoMailer(DjangoPeer):
    """`runmailer` twice; they share the queue by row locks."""

    name = "django-mailer"
    packages = ("django-mailer==2.3.2", "django==5.2.*", "psycopg[binary]")
    sends = "python -m django runmailer & python -m django runmailer & wait"


class CeleryEmail(DjangoPeer):
    """Tasks of fifty mails each, without rows; what a worker cannot send is tried again, and then gone."""

    name = "django-celery-email"
    packages = ("django-celery-email==3.0.0", "django==5.2.*", "celery==5.7.*")
    sends = (
        "exec python -m celery --quiet -A tests.bench.peers.inside.celery worker --concurrency 2 --queues peers"
        " --without-gossip --without-mingle"
    )

    def prepare(self) -> None:
        """It has no tables."""
