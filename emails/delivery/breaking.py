"""When to leave an account alone: from answers to breakers, and from breakers to lanes.

`emails.transports.breakers` keeps the rows, which all processes share. Here stands which answer blames what, and what
an open breaker means for a claim: a lane that is closed, or one delivery that tries whether it still is.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from emails.delivery.guards import Stop
from emails.delivery.ports import ErrorClass, Receipt, TransportError
from emails.messages.lifecycle import Input
from emails.messages.moves import Move
from emails.messages.queue import passes
from emails.messages.queue.claiming import Picked
from emails.transports import breakers
from emails.transports.breakers import Cause, Trouble
from emails.transports.models import Breaker
from mailgrid.core.vocabulary import HoldReason

NETWORK_FAILURES: Final = 20  # in a row, of one process: then nobody answers there

_BLAMES: Final = {
    ErrorClass.QUOTA: Cause.QUOTA,
    ErrorClass.PAUSED: Cause.PAUSED,
    ErrorClass.AUTH: Cause.AUTH,
}
# SES's names for what is wrong with a configuration set alone. Words are not searched: anybody may name a set "e".
_OF_A_SET: Final = frozenset(
    {
        "ConfigurationSetDoesNotExist",
        "ConfigurationSetSendingPausedException",
        "NotFoundException",  # SendEmail knows nothing else that could be missing
        "CONFIGURATION_SET_NOT_FOUND",
        "CONFIGURATION_SET_SENDING_PAUSED",
    }
)
# The account answered, and found fault with this mail or its pace alone.
_ANSWERED: Final = frozenset({ErrorClass.CONTENT, ErrorClass.IDENTITY, ErrorClass.THROTTLED})

_unreached: Counter[UUID] = Counter()  # network failures since the last answer, in this process


@dataclass(frozen=True, slots=True)
class Passable:
    """Lanes a claim may take from; `probing` are those of which it may take one delivery, to see."""

    lanes: list[UUID]
    probing: dict[UUID, Breaker]


def passable(lanes: Sequence[UUID], *, now: datetime) -> Passable:
    """What the open breakers leave of these lanes."""
    opened = breakers.open_breakers()
    closed = {lane: opened[lane, ""] for lane in lanes if (lane, "") in opened}
    probing = {lane: row for lane, row in closed.items() if breakers.take_probe(row, now=now)}
    return Passable([lane for lane in lanes if lane not in closed or lane in probing], probing)


def give_back_probes(probing: Mapping[UUID, Breaker], *, claimed: Collection[UUID], now: datetime) -> None:
    """Probes of lanes from which nothing was claimed after all."""
    for lane, row in probing.items():
        if lane not in claimed:
            breakers.give_back_probe(row, now=now)


def closed_scopes(rows: Iterable[Picked], *, now: datetime) -> dict[UUID, Stop]:
    """Hold the rows whose configuration set is closed, but for one where a probe is due."""
    if not (opened := breakers.open_breakers()):
        return {}
    stops: dict[UUID, Stop] = {}
    for row in rows:
        breaker = opened.get((row.transport_id, row.configuration_set)) if row.configuration_set else None
        if breaker is not None and not breakers.take_probe(breaker, now=now):
            stops[row.delivery_id] = Stop(input=Input.HELD, reason=HoldReason.ACCOUNT_PAUSED)
    return stops


def note(answers: Sequence[tuple[Picked, object]], *, now: datetime) -> None:
    """What these answers say about their accounts."""
    troubles: list[Trouble] = []
    sets: set[tuple[UUID, str]] = set()  # configuration sets by whose mail their accounts answered
    for row, answer in answers:
        if isinstance(answer, TransportError) and answer.ours:
            continue
        if isinstance(answer, Receipt) or (isinstance(answer, TransportError) and answer.kind in _ANSWERED):
            if _unreached:
                _unreached.pop(row.transport_id, None)
            sets.add((row.transport_id, row.configuration_set))
        elif isinstance(answer, TransportError):
            troubles += _troubles(row, answer)
    breakers.trip(troubles, now=now)
    well = sets | {(account, "") for account, _ in sets}
    _close(well - {(one.transport_id, one.scope) for one in troubles})


def for_probes(*, now: datetime) -> Iterator[Move]:
    """A held delivery for each breaker whose probe is due while nothing is queued that could be one.

    A configuration set that nothing waits for any more is forgotten: nobody would ever probe it.
    """
    for (transport_id, scope), row in breakers.open_breakers().items():
        if row.probe_at <= now:
            if scope and not passes.waits_for_scope(transport_id, scope):
                breakers.close(transport_id, [scope])
            else:
                yield from passes.to_probe(transport_id, scope, now=now)


def _troubles(row: Picked, answer: TransportError) -> Iterator[Trouble]:
    words = f"{answer.code}: {answer.message}"
    if (cause := _BLAMES.get(answer.kind)) is not None:
        scope = row.configuration_set if answer.code in _OF_A_SET else ""
        yield Trouble(transport_id=row.transport_id, scope=scope, cause=cause, words=words)
    elif answer.kind == ErrorClass.NETWORK:
        _unreached[row.transport_id] += 1
        if _unreached[row.transport_id] >= NETWORK_FAILURES:
            yield Trouble(transport_id=row.transport_id, scope="", cause=Cause.NETWORK, words=words)


def _close(well: Collection[tuple[UUID, str]]) -> None:
    opened = breakers.open_breakers() if well else {}
    for transport_id, scope in well & opened.keys():
        breakers.close(transport_id, [scope])
