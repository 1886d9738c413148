"""The whole of Mailgrid in one process: web threads, worker threads, watch and schedule, over SQLite and memory.

Exactly one process may own a database file: a lock file says who. So at start whoever held a lease is dead, and its
deliveries are settled at once instead of after their lease.
"""

import contextlib
import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from celery.beat import EmbeddedService
from celery.worker import WorkController
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from waitress.server import create_server

from emails.feedback.ingest import release_all
from emails.messages.queue.passes import end_all_leases
from mailgrid.core import bells
from mailgrid.core.clock import now
from mailgrid.core.logging import get_logger
from workers import bells as bell_publisher
from workers.celery import app
from workers.process import holdings
from workers.watch import Watch

log = get_logger(__name__)

STOP_SECONDS: Final = 10.0


class AlreadyRunning(Exception):
    """Another process owns the database."""


class UnsafeDatabase(Exception):
    """The database would not keep what it commits."""


class _Worker(WorkController):
    """A Celery worker that can live in a thread: `celery.apps.worker.Worker` installs signal handlers."""


@contextlib.contextmanager
def only_process(lock_path: Path) -> Iterator[None]:
    """Hold the lock file; raises `AlreadyRunning`. The kernel frees it when the process dies, however it dies."""
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    with lock_path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise AlreadyRunning(
                f"Mailgrid already runs here (process {file.read().strip() or '?'})."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def check_durability() -> None:
    """Read back what a commit is worth; raises `UnsafeDatabase` unless it survives a power cut."""
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        journal = cursor.execute("PRAGMA journal_mode").fetchone()[0]
        synchronous = cursor.execute("PRAGMA synchronous").fetchone()[0]
    if (journal, synchronous) != ("wal", 2):
        raise UnsafeDatabase(
            f"SQLite runs with journal_mode={journal}, synchronous={synchronous}; not wal and 2 (FULL)."
        )


class Services:
    """Everything that runs beside the main thread, which only waits for signals."""

    def __init__(self, *, host: str, port: int) -> None:
        self.web = create_server(
            get_wsgi_application(),
            host=host,
            port=port,
            threads=settings.WEB_THREADS,
            max_request_body_size=64 * 1024 * 1024,
            ident="mailgrid",
            # Slow or silent connections must not keep everybody else out; a proxy in front does this better.
            connection_limit=1000,
            channel_timeout=30,
            clear_untrusted_proxy_headers=False,
        )
        self.worker = _Worker(
            app=app,
            pool_cls="threads",
            concurrency=settings.WORKER_THREADS,
            queues=list(bells.QUEUES),
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            hostname="mailgrid@embedded",
        )
        self.beat: Any = EmbeddedService(app, thread=True, scheduler_cls=app.conf.beat_scheduler)
        self.watch = Watch(bells.QUEUES)
        self._stopping = False
        self._web_thread = threading.Thread(target=self._serve, name="web", daemon=True)
        self._worker_thread = threading.Thread(target=self.worker.start, name="worker", daemon=True)

    def start(self) -> None:
        """Workers before the door opens."""
        if connection.vendor == "sqlite":  # nobody else can have it
            end_all_leases(now=now())
            release_all(now=now())
        for thread in (self._worker_thread, self.beat, self.watch, self._web_thread):
            thread.start()
        bells.ring(bells.MAINTENANCE)
        bells.ring(bells.EVENTS)

    def _serve(self) -> None:
        try:
            self.web.run()
        except OSError:  # its sockets are closed under its hands when we stop
            if not self._stopping:
                raise

    def stop(self) -> None:
        """Close the door, then let what is in hand finish. One part that fails does not keep the others running."""
        self._stopping = True
        with contextlib.ExitStack() as parts:  # the last one named is stopped first
            parts.callback(holdings().transports.close)
            parts.callback(self._worker_thread.join, STOP_SECONDS)
            parts.callback(self.worker.stop)
            parts.callback(bell_publisher.publisher().flush, 1.0)
            parts.callback(self.watch.stop, wait_seconds=STOP_SECONDS)
            parts.callback(self.beat.stop)
            parts.callback(self.web.close)
            parts.callback(self.web.task_dispatcher.shutdown, cancel_pending=True, timeout=int(STOP_SECONDS))


def run(*, host: str, port: int, ready: Any) -> None:
    """Serve until SIGINT or SIGTERM. `ready()` is called when everything has started."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    services = Services(host=host, port=port)
    services.start()
    ready()
    stopped.wait()
    log.info("workers.embedded.stopping")
    services.stop()
