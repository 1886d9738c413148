"""What each pool process of a Celery worker starts after the fork, and ends before it exits: its watch.

`celery -A workers worker` imports this module by the setting `imports`. The embedded mode, whose pool are threads,
starts its one watch itself.
"""

import gc
from typing import Any, Final

from celery.signals import task_prerun, worker_process_init, worker_process_shutdown
from django.db import close_old_connections

from mailgrid.core.logging import get_logger
from workers import bells
from workers.celery import app
from workers.process import holdings
from workers.watch import Watch

log = get_logger(__name__)

STOP_SECONDS: Final = 20.0  # for the batch in hand; a lease covers what takes longer

_watch: Watch | None = None


@worker_process_init.connect
def start(**_signal: Any) -> None:
    """The queues are those the worker was told to serve (`-Q`); the fork inherits them."""
    global _watch
    spare_what_is_loaded()
    _watch = Watch(list(app.amqp.queues.consume_from))
    _watch.start()


def spare_what_is_loaded() -> None:
    """Take the code that is loaded by now out of the garbage collector's rounds: it stays for the life of the process.

    Going through it again and again was a fifth of what a mail costs in a bulk request.
    """
    gc.collect()
    gc.freeze()


@task_prerun.connect
def look_at_connections(**_signal: Any) -> None:
    """Django checks a connection's health only after this call: one that the server closed is opened anew."""
    close_old_connections()


@worker_process_shutdown.connect
def stop(**_signal: Any) -> None:
    """Finish what is in hand, publish the last bells, hang up."""
    if _watch is not None:
        _watch.stop(wait_seconds=STOP_SECONDS)
    bells.publisher().flush(bells.FLUSH_SECONDS)
    holdings().close()
