"""The rows: what is measured, of whom, how often."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

from tests.bench import accept, busy, deliver, embedded, events, growth, latency, paced, raw
from tests.bench.bare.fleet import BareFleet
from tests.bench.conventional.fleet import ConventionalFleet
from tests.bench.mailer import Sample
from tests.bench.mailgrid_fleet import MailgridFleet
from tests.bench.peers import turn as peers
from tests.bench.peers.django_peers import CeleryEmail, DjangoMailer, PostOffice
from tests.bench.peers.genro import GenroMailProxy
from tests.bench.stage import Factory, Stage

Turn = Callable[[Stage, Any], Iterator[Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A contestant, and what is done in its turn. `factory` starts it, once for all rows."""

    factory: Factory
    turn: Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`entries` are who takes turns at a given size; `rounds` how many, None being as many as asked for."""

    title: str
    entries: Callable[[int | None], Mapping[str, Entry]]
    rounds: int | None = None


def _of(*entries: tuple[Factory, str, Turn]) -> Callable[[int | None], Mapping[str, Entry]]:
    made = {name: Entry(factory=factory, turn=turn) for factory, name, turn in entries}
    return lambda _n: made


def _grown(n: int | None) -> Mapping[str, Entry]:
    return {name: Entry(factory=factory, turn=growth.turn) for name, factory in growth.contestants(n).items()}


def _machine(_stage: Stage, _folder: Any) -> Any:
    return nullcontext(raw.Machine(os.environ["DATABASE_URL"], os.environ["BROKER_URL"]))


def _itself(_stage: Stage, folder: Any) -> Any:
    return nullcontext(embedded.Itself(folder))


_OURS: Final = (MailgridFleet, MailgridFleet.name)
_BASELINE: Final = (ConventionalFleet, ConventionalFleet.name)

ROWS: Final[dict[str, Row]] = {
    "embedded": Row(
        title="One process on SQLite",
        entries=_of((_itself, embedded.Itself.name, embedded.turn)),
        rounds=1,
    ),
    "limits": Row(
        title="Raw limits of this machine",
        entries=_of((_machine, raw.Machine.name, raw.turn)),
    ),
    "accept": Row(
        title="Accept",
        entries=_of(
            (*_OURS, accept.turn),
            (*_BASELINE, accept.turn),
            (BareFleet, BareFleet.name, accept.bare_turn),
        ),
    ),
    "deliver": Row(title="Deliver", entries=_of((*_OURS, deliver.turn), (*_BASELINE, deliver.turn))),
    "urgent": Row(
        title="An urgent email, alone", entries=_of((*_OURS, latency.turn), (*_BASELINE, latency.turn))
    ),
    "peers": Row(
        title="Peers on the same work: to an SMTP sink",
        entries=_of(
            (*_OURS, peers.mailgrid_turn),
            *(
                (peer, peer.name, peers.turn)
                for peer in (PostOffice, DjangoMailer, CeleryEmail, GenroMailProxy)
            ),
        ),
    ),
    "load": Row(title="Half load", entries=_of((*_OURS, busy.half_load)), rounds=1),
    "backlog": Row(title="Beside a backlog", entries=_of((*_OURS, busy.backlog)), rounds=1),
    "events": Row(title="Events", entries=_of((*_OURS, events.turn)), rounds=2),
    "growth": Row(title="Growth", entries=_grown),
    "paced": Row(
        title="A backlog through an account with a pace", entries=_of((*_OURS, paced.turn)), rounds=1
    ),
}

# `paced` is measured for the simulation alone.
FLEET: Final = ("limits", "accept", "deliver", "urgent", "load", "backlog", "events")
ALL: Final = ("embedded", *FLEET, "peers", "growth")
GROUPS: Final[dict[str, tuple[str, ...]]] = {"fleet": FLEET, "all": ALL}
