"""Check transports with adapters opened for it: what a process holds open may be as old as its last look at the row."""

import threading
from collections.abc import Sequence

from emails.delivery.ports import ErrorClass, Misconfigured
from emails.delivery.ports import Transport as Adapter
from emails.transports import checks
from emails.transports.checks import Finding, Summary
from emails.transports.models import Transport
from mailgrid.core.clock import now
from mailgrid.core.logging import get_logger
from workers.process import holdings
from workers.transports.registry import build

log = get_logger(__name__)

_busy = threading.Lock()


def check_alone() -> Summary:
    """Answer due checks, unless another thread of this process is at it: silent hosts hold one thread only."""
    if not _busy.acquire(blocking=False):
        return Summary()
    try:
        return checks.run_due_checks(checker=look_at, clock=now)
    finally:
        _busy.release()


def look_at(transports: Sequence[Transport]) -> list[Finding | None]:
    """Connect and authenticate, side by side; the port `emails.transports.checks.Checker`."""
    opened = [_open(row) for row in transports]  # here: the threads of calls use no database
    return list(holdings().pool.map(_check, opened))


def _open(row: Transport) -> Adapter | Finding:
    try:
        return build(row)
    except Misconfigured as error:
        return Finding(kind=ErrorClass.AUTH, code="misconfigured", message=str(error))
    except Exception as error:  # noqa: BLE001 - a finding about this transport alone
        return _our_fault(error)


def _check(opened: Adapter | Finding) -> Finding | None:
    if isinstance(opened, Finding):
        return opened
    try:
        refusal = opened.check()
    except Exception as error:  # noqa: BLE001 - the same
        return _our_fault(error)
    finally:
        opened.close()
    if refusal is None:
        return None
    return Finding(kind=refusal.kind, code=refusal.code, message=refusal.message)


def _our_fault(error: Exception) -> Finding:
    log.warning("workers.check.crashed", exc_info=error)
    return Finding(kind=ErrorClass.BUG, code=type(error).__name__, message="The check itself failed.")
