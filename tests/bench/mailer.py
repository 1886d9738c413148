"""What is measured: something that takes mail over HTTP and hands it to a provider; and what measures it."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from tests.bench.load import Generator, Load
from tests.bench.processes import Reading, Used, read
from tests.bench.stand_in import StandIn


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Emails of a row: enough for some seconds of work, few enough for a short run."""

    near: int  # to a provider that answers at once
    far: int  # to one that takes its time
    batches: int  # requests with a hundred each


class Mailer(Protocol):
    """One contender; its processes run only while it has its turn."""

    name: str
    sizes: Sizes
    single_path: str
    batch_path: str
    database_url: str

    @property
    def of_mail(self) -> Mapping[str, str]:
        """Arguments of `mails.mail`."""
        ...

    @property
    def url(self) -> str: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    def turn(self) -> AbstractContextManager[None]:
        """Everything but the workers that send."""
        ...

    def sending(self, priority: str) -> AbstractContextManager[int]:
        """The worker for this priority; its process."""
        ...

    def parts(self) -> Mapping[str, int]:
        """Its running processes but the worker: `web`, and what else there is."""
        ...

    def drop_waiting(self, waiting: int) -> int:
        """Forget what was accepted and not sent, if that is too much for this mailer; how many wait then."""
        ...

    def last_words(self) -> str:
        """The end of the logs, for when something went wrong."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What stands around a mailer: load, provider, services (name → process)."""

    load: Generator
    provider: StandIn
    services: Mapping[str, int]

    def read(self, mailer: Mailer, **more: int) -> Reading:
        """CPU time of everything that takes part."""
        return read({**mailer.parts(), **more, **self.services, "provider": self.provider.pid})


def single_load(mailer: Mailer, *, bodies: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Emails one by one for some seconds."""
    return Load(
        url=mailer.url + mailer.single_path,
        headers=mailer.headers,
        bodies=bodies,
        connections=connections,
        seconds=seconds,
    )


def batch_load(mailer: Mailer, *, bodies: Sequence[bytes], connections: int) -> Load:
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
def explained(mailer: Mailer) -> Iterator[None]:
    """A failure says what the processes said last."""
    try:
        yield
    except Exception as error:
        error.add_note(mailer.last_words())
        raise
