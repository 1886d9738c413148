"""Work off what waits for hosts that tenants name: checks of transports, and attachments."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from emails.attachments.services import BATCH, fetch_due
from mailgrid.core.clock import now
from workers.adapters.fetcher import fetch
from workers.checking import check_alone

Summary = Counter[str]

_busy = threading.Lock()


def work_off() -> Summary:
    """Both, one after the other; how many ended how."""
    return check_alone() + fetch_alone()


def fetch_alone() -> Summary:
    """Fetch due attachments, unless another thread of this process is at it: slow hosts hold one thread only."""
    if not _busy.acquire(blocking=False):
        return Summary()
    try:
        with ThreadPoolExecutor(BATCH, thread_name_prefix="fetch") as pool:
            return fetch_due(fetcher=fetch, pool=pool, clock=now)
    finally:
        _busy.release()
