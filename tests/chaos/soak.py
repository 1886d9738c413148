"""The long form: many mails, and a fault of some family every second until they are sent. The same oracle at the end.

python -m tests.chaos --soak --n 100000          (`make chaos SOAK=1 N=100000`)
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from tests.chaos import killer, probes
from tests.chaos.case import Case
from tests.chaos.fleet import SENDING, WITHOUT_FLOWER
from tests.chaos.registry import Row

EVERY: Final = 1.0  # seconds between two faults
_DEAF_SECONDS: Final = 5.0
_SLOWEST: Final = 12.0  # mails a second: who is slower is stopped
_ENOUGH: Final = 0.95  # of the mails: then nothing more is broken
_SETTLING: Final = 300.0  # seconds of the budget, for what comes after the last mail

_WORKERS: Final = tuple(name for name in WITHOUT_FLOWER if name.startswith("worker"))


def row(count: int) -> Row:
    """The soak as a row, with a budget that grows with its mails."""

    def body(case: Case) -> None:
        """A fault every second, of processes, broker, Redis, database, network and SES, while mail goes out."""
        run(case, count, show=Progress(count))

    return Row(
        name="SOAK",
        budget=count / _SLOWEST + _SETTLING,
        sentence=" ".join((body.__doc__ or "").split()),
        body=body,
        tier=3,
        quick=False,
        own=False,
    )


def run(case: Case, count: int, *, show: Callable[["Faults", int], None]) -> None:
    """Submit, break, wait until all is taken, mend, judge."""
    case.disturbed()
    case.ses.misbehave(*probes.FAULTS, seed=case.seed)
    faults = Faults(case)
    with killer.killing(faults.strike, every=EVERY), case.submitting(count):
        taken = 0
        while taken < _ENOUGH * count:  # what is in doubt at the end waits for later mail
            with suppress(OSError):
                taken = case.ses.counters().get("accepts", 0)
            show(faults, taken)
            case.sleep(1)
            assert case.time_left() > _SETTLING / 2, f"{taken} of {count} were taken"
    faults.end()
    case.kills = sum(faults.struck.values())
    case.ses.misbehave()
    case.servers.all_up()
    case.fleet.complete()
    case.tell(**{name.replace(" ", "_"): hits for name, hits in sorted(faults.struck.items())})
    case.judge()


class Faults:
    """Everything that may happen, drawn by weight; what takes long happens aside, once at a time."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.struck: Counter[str] = Counter()
        self._busy: dict[str, threading.Thread] = {}
        fleet, servers = case.fleet, case.servers
        self._kinds: list[tuple[str, int, str, Callable[[], object]]] = [
            # What, how often of 100, what it keeps busy meanwhile, how.
            ("pool process", 46, "", killer.pool_process(fleet, case.random, of=_WORKERS)),
            ("worker", 10, "", killer.group(fleet, case.random, of=_WORKERS)),
            ("frozen worker", 6, "frozen", killer.freeze(fleet, case.random, of=SENDING)),
            ("web", 4, "", lambda: fleet.strike("web")),
            ("beat", 4, "", lambda: fleet.strike("beat")),
            ("redis flush", 6, "redis", self._flush),
            ("redis", 4, "redis", lambda: self._crash(servers.redis.kill, servers.redis.start, away=2)),
            ("broker", 4, "broker", lambda: self._crash(servers.rabbitmq.kill, servers.rabbitmq.start)),
            ("broker wiped", 2, "broker", lambda: self._crash(servers.rabbitmq.wipe, servers.rabbitmq.start)),
            ("broker frozen", 4, "broker", self._freeze_broker),
            ("database", 6, "database", lambda: self._crash(servers.postgres.crash, servers.postgres.start)),
            ("deaf", 4, "hearing", self._deafen),
        ]

    def strike(self) -> bool:
        """One fault; when what it would break is broken already, another one."""
        free = [kind for kind in self._kinds if not self._under_way(kind[2])]
        ((name, _, place, act),) = self._case.random.choices(free, weights=[kind[1] for kind in free])
        self.struck[name] += 1
        if not place:
            act()
            return True
        self._busy[place] = threading.Thread(target=act, name=f"fault {name}", daemon=True)
        self._busy[place].start()
        return True

    def end(self) -> None:
        """Wait for what is under way."""
        for thread in self._busy.values():
            thread.join()

    def _under_way(self, place: str) -> bool:
        return place in self._busy and self._busy[place].is_alive()

    def _crash(self, end: Callable[[], object], start: Callable[[], object], *, away: float = 0) -> None:
        end()
        time.sleep(away)
        start()

    def _flush(self) -> None:
        with suppress(ConnectionError):
            probes.redis(self._case).flushall()

    def _freeze_broker(self) -> None:
        self._case.servers.rabbitmq.freeze()
        time.sleep(3)
        self._case.servers.rabbitmq.thaw()

    def _deafen(self) -> None:
        with self._case.deaf():
            time.sleep(_DEAF_SECONDS)


class Progress:
    """One line that is written over on a terminal, and one line every ten seconds anywhere else."""

    _WIDTH: Final = 30

    def __init__(self, count: int) -> None:
        self._count = count
        self._began = self._told = time.monotonic()

    def __call__(self, faults: Faults, taken: int) -> None:
        now = time.monotonic()
        terminal = sys.stdout.isatty()
        if not terminal and now - self._told < 10 and taken < _ENOUGH * self._count:
            return
        self._told = now
        speed = taken / max(0.1, now - self._began)
        left = (self._count - taken) / speed if speed and taken < _ENOUGH * self._count else 0
        filled = "#" * min(self._WIDTH, taken * self._WIDTH // self._count)
        words = (
            f"[{filled:.<{self._WIDTH}}] {taken}/{self._count} sent, {sum(faults.struck.values())} faults,"
            f" {speed:.0f}/s, {left:.0f} s left"
        )
        end = "" if terminal and taken < _ENOUGH * self._count else "\n"
        print(f"\r{words}\033[K" if terminal else words, end=end, flush=True)
