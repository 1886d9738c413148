"""Ends processes at random, by a seed: which one is drawn from the seed, when is the clock's affair."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from tests.chaos.fleet import SENDING, ChaosFleet

Strike = Callable[[], bool]  # whether anybody was hit


class Killer(threading.Thread):
    """Strikes every `every` seconds until `stop`."""

    def __init__(self, strike: Strike, *, every: float) -> None:
        super().__init__(name="killer", daemon=True)
        self._strike, self._every = strike, every
        self._stopped = threading.Event()
        self.kills = 0

    def run(self) -> None:
        while not self._stopped.wait(self._every):
            self.kills += self._strike()

    def stop(self) -> None:
        self._stopped.set()
        self.join()


@contextmanager
def killing(strike: Strike, *, every: float) -> Iterator[Killer]:
    """While the block runs."""
    killer = Killer(strike, every=every)
    killer.start()
    try:
        yield killer
    finally:
        killer.stop()


def pool_process(fleet: ChaosFleet, random: random.Random, *, of: Sequence[str] = SENDING) -> Strike:
    """kill -9 of one process of a worker's pool."""

    def strike() -> bool:
        pool = [pid for name in of for pid in fleet.children(name)]
        if not pool:
            return False
        with suppress(ProcessLookupError):
            os.kill(random.choice(pool), signal.SIGKILL)
        return True

    return strike


def group(fleet: ChaosFleet, random: random.Random, *, of: Sequence[str] = SENDING) -> Strike:
    """kill -9 of a whole worker; the supervisor starts it again."""

    def strike() -> bool:
        fleet.strike(random.choice(of))
        return True

    return strike


FREEZE_SECONDS: Final = 2.0


def freeze(fleet: ChaosFleet, random: random.Random, *, of: Sequence[str] = SENDING) -> Strike:
    """SIGSTOP of a whole worker for a while, then SIGCONT."""

    def strike() -> bool:
        name = random.choice(of)
        fleet.strike(name, signal.SIGSTOP)
        time.sleep(FREEZE_SECONDS)
        fleet.strike(name, signal.SIGCONT)
        return True

    return strike
