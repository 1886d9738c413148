"""Hand a batch over: all calls of all its transports side by side, in threads.

Threads get values and return answers; they touch no database. Answers come in groups at most a second apart, so
that one hanging call does not keep the others' results in memory.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from typing import Final

from emails.composition.envelope import Envelope
from emails.delivery.ports import Answer, ErrorClass, Transport, TransportError
from mailgrid.core import failpoints
from mailgrid.core.logging import get_logger

log = get_logger(__name__)

GROUP_SECONDS: Final = 1.0
_LATE_SECONDS: Final = 2.0  # what a call may overrun its own deadline by before it is given up

Answered = tuple[Envelope, Answer]


def hand_over(
    batches: Sequence[tuple[Transport, Sequence[Envelope]]], *, pool: Executor, deadline: float
) -> Iterator[list[Answered]]:
    """Make every call of the batch, all transports side by side; yield answers as they come.

    `deadline` is in time.monotonic seconds; a call that is still open past it is in doubt. A call that touches the
    database is made here, as is a lone one: threads would open connections that nobody closes.
    """
    here: list[tuple[Transport, Sequence[Envelope]]] = []
    aside: list[tuple[Transport, Sequence[Envelope]]] = []
    for transport, envelopes in batches:
        try:
            calls = transport.plan(envelopes)
        except Exception as error:
            log.exception("emails.delivery.not_planned")
            yield [(envelope, _unplanned(error)) for envelope in envelopes]
            continue
        (here if transport.touches_database else aside).extend((transport, call) for call in calls)
    if len(aside) == 1 and not here:
        here, aside = aside, []
    open_calls = {pool.submit(_send, transport, call, deadline): call for transport, call in aside}
    for transport, call in here:
        yield list(zip(call, _send(transport, call, deadline), strict=True))
    while open_calls:
        done = _next_group(set(open_calls), deadline)
        if not done and time.monotonic() > deadline + _LATE_SECONDS:
            yield [(envelope, _LOST) for call in open_calls.values() for envelope in call]
            return
        answered = [
            pair for future in done for pair in zip(open_calls.pop(future), future.result(), strict=True)
        ]
        if answered:
            yield answered


def _next_group(calls: set[Future[Sequence[Answer]]], deadline: float) -> set[Future[Sequence[Answer]]]:
    """Everything that is done within a group's time of the first answer."""
    patience = max(0.0, deadline + _LATE_SECONDS - time.monotonic()) + 0.01
    first, rest = wait(calls, timeout=patience, return_when=FIRST_COMPLETED)
    if not first or not rest:
        return first
    more, _ = wait(rest, timeout=GROUP_SECONDS)
    return first | more


def _send(transport: Transport, call: Sequence[Envelope], deadline: float) -> Sequence[Answer]:
    if time.monotonic() >= deadline:
        return [_TOO_LATE] * len(call)
    failpoints.reach("send.before_call")
    answers = transport.send(call, deadline=deadline)
    failpoints.reach("send.after_call")
    return answers


def _unplanned(error: Exception) -> TransportError:
    return TransportError(
        kind=ErrorClass.BUG, code=type(error).__name__, message="The mail could not be planned.", ours=True
    )


_LOST: Final = TransportError(
    kind=ErrorClass.DOUBT, code="deadline", message="No answer before the deadline."
)
_TOO_LATE: Final = TransportError(
    kind=ErrorClass.THROTTLED,
    code="deadline",
    message="The lease was nearly over before the call.",
    ours=True,
)
