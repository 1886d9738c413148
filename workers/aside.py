"""Calls to hosts that the watch must not wait for: in a thread of their own, one for each process."""

import threading
from collections.abc import Callable, Sequence
from functools import partial

from django.db import connection

from emails.attachments import selectors as attachments
from emails.transports import checks
from mailgrid.core.clock import now
from mailgrid.core.logging import get_logger
from workers import rounds
from workers.checking import check_alone
from workers.fetching import fetch_alone

log = get_logger(__name__)

_busy = threading.Lock()


def look_aside() -> None:
    """Start what is due: checks of transports, attachments to fetch, and rounds that nobody has made."""
    if not _busy.locked() and (due := _due()):
        threading.Thread(target=_work, args=(due,), name="aside", daemon=True).start()


def _due() -> list[Callable[[], object]]:
    due: list[Callable[[], object]] = [partial(rounds.make_if_missed, name) for name in rounds.missed()]
    if checks.due().filter(due_at__lte=now()).exists():
        due.insert(0, check_alone)
    if attachments.is_due(now=now()):
        due.insert(0, fetch_alone)
    return due


def _work(due: Sequence[Callable[[], object]]) -> None:
    if not _busy.acquire(blocking=False):
        return
    try:
        for work in due:
            _guarded(work)
    finally:
        _busy.release()
        connection.close()


def _guarded(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception:
        log.warning("workers.aside.failed", exc_info=True)
