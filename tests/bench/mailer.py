"""What is measured: something that takes mail and hands it to a provider; and what a measurement is."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from tests.bench.load import Load
from tests.bench.processes import Used


class Contestant(Protocol):
    """Whoever has a turn; its processes run only then."""

    name: str
    database_url: str

    def turn(self) -> AbstractContextManager[None]:
        """Everything but the workers that send."""
        ...

    def parts(self) -> Mapping[str, int]:
        """Its running processes but the worker: `web`, and what else there is."""
        ...

    def last_words(self) -> str:
        """The end of the logs, for when something went wrong."""
        ...


class Sender(Contestant, Protocol):
    """One that delivers what waits."""

    def sending(self, priority: str) -> AbstractContextManager[int]:
        """The worker for this priority; its process."""
        ...


class Acceptor(Contestant, Protocol):
    """One that takes mail over HTTP."""

    single_path: str
    batch_path: str
    share: float  # of the usual number of emails: enough for some seconds of work, few enough for a short run

    @property
    def of_mail(self) -> Mapping[str, str]:
        """Arguments of `mails.mail`."""
        ...

    @property
    def url(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, str]: ...


class Mailer(Acceptor, Sender, Protocol):
    """One that does both."""

    def drop_waiting(self, waiting: int) -> int:
        """Forget what was accepted and not sent, if that is too much for this mailer; how many wait then."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One measurement. `cpu` is µs per email by part; `others` the share of the machine that strangers used."""

    row: str
    value: float
    unit: str
    others: float | None = None
    load_average: float | None = None
    cpu: Mapping[str, float] | None = None


def single_load(
    mailer: Acceptor,
    *,
    bodies: Sequence[bytes],
    connections: int,
    seconds: float,
    requests: int | None = None,
) -> Load:
    """Emails one by one for some seconds, at most so many."""
    return Load(
        url=mailer.url + mailer.single_path,
        headers=mailer.headers,
        bodies=bodies,
        connections=connections,
        seconds=seconds,
        requests=requests,
    )


def batch_load(mailer: Acceptor, *, bodies: Sequence[bytes], connections: int) -> Load:
    """Each of the bodies once."""
    return Load(
        url=mailer.url + mailer.batch_path,
        headers=mailer.headers,
        bodies=bodies,
        connections=connections,
        requests=len(bodies),
    )


def per_email(used: Used, emails: int, **more: float) -> dict[str, float]:
    """CPU seconds as µs per email."""
    return {part: seconds * 1e6 / emails for part, seconds in {**used.by_part, **more}.items()}


def load_average() -> float:
    """Of the last minute; our own work is part of it."""
    return os.getloadavg()[0]


@contextmanager
def explained(contestant: Contestant) -> Iterator[None]:
    """A failure says what the processes said last."""
    try:
        yield
    except Exception as error:
        error.add_note(contestant.last_words())
        raise
