"""Hand a batch over: one call after another where a transport takes them together, threads where it does not.

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

GROUP_SECONDS: Final = 1.0
_LATE_SECONDS: Final = 2.0  # what a call may overrun its own deadline by before it is given up

Answered = tuple[Envelope, Answer]


def hand_over(
    transport: Transport, envelopes: Sequence[Envelope], *, pool: Executor, deadline: float
) -> Iterator[list[Answered]]:
    """Make every call of the batch; yield answers as they come. `deadline` is in time.monotonic seconds.

    A call that is still open past the deadline is in doubt.
    """
    calls = transport.plan(envelopes)
    if len(calls) == 1:
        yield list(zip(calls[0], _send(transport, calls[0], deadline), strict=True))
        return
    open_calls = {pool.submit(_send, transport, call, deadline): call for call in calls}
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


OVERDUE: Final = "deadline"  # the code of both: ours, not the provider's
_LOST: Final = TransportError(kind=ErrorClass.DOUBT, code=OVERDUE, message="No answer before the deadline.")
_TOO_LATE: Final = TransportError(
    kind=ErrorClass.THROTTLED, code=OVERDUE, message="The lease was nearly over before the call."
)
