"""One run of a row: what it is given, what it breaks, and what must hold then. Rows are written in its words."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import psycopg

from mailgrid.env import BASE_DIR
from tests.chaos import killer, oracle
from tests.chaos.broker import Broker
from tests.chaos.fleet import SENDING, TRANSPORT, ChaosFleet
from tests.chaos.killer import Strike
from tests.chaos.load import Load, Promise
from tests.chaos.oracle import Verdict
from tests.chaos.registry import Row
from tests.chaos.rig import Rig
from tests.chaos.servers import Servers
from tests.fakes.ses import Accept, FakeSes
from tests.live import wait_until

_HEARTBEAT: Final = (
    1.0  # seconds between the mails that move the watermark of an account with nothing else to send
)
_LAST_WORDS: Final = 3.0  # of the budget, for the judge


class Case:
    """One row's run: its load, what it broke, and what came of it."""

    fleet: ChaosFleet
    load: Load

    def __init__(self, rig: Rig, row: Row) -> None:
        self.rig, self.row, self.seed = rig, row, rig.seed
        self.random = random.Random(f"{rig.seed} {row.name}")
        self.once = time.time_ns() % 10**9  # for names that a fleet may have from an earlier run
        self.kills = 0
        self.figures: dict[str, Any] = {}
        self.verdict: Verdict | None = None
        self._disturbed = False
        self._loads: list[Load] = []
        self._urls: tuple[str, ...] = ()
        self._armed: list[tuple[str, int]] = []
        self._beaten = 0.0
        self._journals: list[Callable[[], list[Accept]]] = []

    def begin(self) -> None:
        """The budget runs from here."""
        self._deadline = time.monotonic() + self.row.budget
        if not self.row.own:
            self._use(self.rig.fleet)

    def close(self) -> None:
        """End what the row began."""
        for load in self._loads:
            load.stop()

    # ---- Given -----------------------------------------------------------------------------------------------------

    @property
    def ses(self) -> FakeSes:
        return self.rig.ses

    @property
    def servers(self) -> Servers:
        return self.rig.servers

    @property
    def broker(self) -> Broker:
        return Broker(self.servers.rabbitmq.url)

    @contextmanager
    def own_fleet(self, **given: Any) -> Iterator[ChaosFleet]:
        """A fleet of this row's alone; the shared one ends for it."""
        self.rig.end_fleet()
        with self.rig.new_fleet(**given) as fleet:
            self._use(fleet)
            yield fleet

    def size(self, count: int) -> int:
        """The catalogue's number, or what this run makes of it."""
        return max(1, round(count * self.rig.size))

    def submit(self, count: int, **how: Any) -> None:
        """So many mails, all accepted when this returns; the arguments are those of `Load.submit`."""
        self.load.submit(self.size(count), **how)

    @contextmanager
    def submitting(self, count: int, **how: Any) -> Iterator[None]:
        """The same beside the block, which ends when they are all accepted."""
        load = self._new_load()
        thread = load.in_background(self.size(count), **how)
        try:
            yield
        except BaseException:
            load.stop()
            raise
        finally:
            thread.join()

    @contextmanager
    def steadily(self, *, rate: float, **how: Any) -> Iterator[None]:
        """Single requests at a rate for as long as the block runs."""
        load = self._new_load()
        thread = load.in_background(10**7, batch=1, rate=rate, **({"threads": 8} | how))
        try:
            yield
        finally:
            load.stop()
            thread.join()

    def spread_over(self, *urls: str) -> None:
        """From now on requests go to these web processes in turn."""
        self._urls = urls

    def use_configuration_set(self, stream: str, name: str) -> None:
        """Mail of a stream goes out by this configuration set, for every tenant."""
        for sender in self.fleet.senders:
            change = {"configuration_set": name}
            self.fleet.expect(200, "PATCH", f"/api/streams/{stream}", change, key=sender.key)

    def change_account(self, **settings: Any) -> None:
        """Other settings of the account that everybody uses."""
        self.fleet.expect(200, "PATCH", f"/api/transports/{TRANSPORT}", {"settings": settings})

    def also_taken(self, journal: Callable[[], list[Accept]]) -> None:
        """Another provider takes mail in this row, and this is its journal."""
        self._journals.append(journal)

    # ---- When ------------------------------------------------------------------------------------------------------

    @contextmanager
    def killing(
        self, kind: Callable[..., Strike], *, every: float, of: tuple[str, ...] = SENDING
    ) -> Iterator[None]:
        """`killer.pool_process`, `killer.group` or `killer.freeze` every so many seconds while the block runs."""
        self.disturbed()
        with killer.killing(kind(self.fleet, self.random, of=of), every=every) as striking:
            try:
                yield
            finally:
                self.kills += striking.kills

    def disturbed(self) -> None:
        """Processes end in this row: their counters may lag behind what they did."""
        self._disturbed = True

    def freeze(self, name: str) -> None:
        """SIGSTOP to a process with all it forked."""
        self.fleet.strike(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self.fleet.strike(name, signal.SIGCONT)

    @contextmanager
    def armed(self, name: str, *points: str, action: str = "exit9", times: int = 2) -> Iterator[None]:
        """Failpoints in one process and its pool while the block runs: each acts so many times in all."""
        self.disturbed()
        self._armed += [(point, times) for point in points]
        armed = ",".join(f"{point}:{action}:{times}" for point in points)
        self.fleet.restart(name, CHAOS_FAILPOINTS=armed)
        if name == "web":
            self.fleet.wait_for_web()
        yield
        self.fleet.restart(name)
        self.kills += sum(self.fleet.struck(point) for point in points)
        self.fleet.disarm(*points)

    def all_struck(self) -> bool:
        """Whether every point that is armed has done what it can."""
        return all(self.fleet.struck(point) == times for point, times in self._armed)

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """No event reaches us while the block runs; they wait, and come in their order afterwards.

        Not for longer than 15 seconds: then the topic gives up what it has on the way.
        """
        self.fleet.hearing.weather("blackhole")
        try:
            yield
        finally:
            self.fleet.hearing.clear()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def wait(self, true: Callable[[], Any]) -> Any:
        """Until it holds, at most until the budget is used up."""
        return wait_until(true, seconds=max(1.0, self.time_left()), every=0.1)

    def sent(self, count: int, *, patience: float = float("inf")) -> None:
        """Until the stand-in has taken so many, or patience ends: then the others go while nothing is broken."""
        until = time.monotonic() + patience
        self.wait(lambda: self.ses.counters().get("accepts", 0) >= count or time.monotonic() > until)

    def settle(self, *, seconds: float = float("inf")) -> oracle.Restless:
        """Wait until everything has come to rest, and return what has not when patience ends.

        A mail now and then moves the watermark when nothing else is sent.
        """
        calm = 0
        until = time.monotonic() + min(seconds, self.time_left() - _LAST_WORDS)
        while True:
            left = oracle.restless(self.fleet)
            calm = 0 if left else calm + 1
            if calm == 2 or time.monotonic() > until:
                return left
            if left.only_doubts:
                self._beat()
            time.sleep(0.5)

    def hope_for(self, question: str) -> None:
        """Wait until a question to the database has an answer, and move the watermark meanwhile."""
        while not self.fleet.rows(question):
            assert self.time_left() > 0, question
            self._beat()
            time.sleep(0.05)

    def _beat(self) -> None:
        if time.monotonic() - self._beaten > _HEARTBEAT:
            self.load.submit(1, batch=1, subject="heartbeat")
            self._beaten = time.monotonic()

    # ---- Then ------------------------------------------------------------------------------------------------------

    def judge(self, *, unknown_allowed: bool = False, quarantined: int = 0) -> Verdict:
        """Wait until all is settled, and hold what every row must hold."""
        if left := self.settle():
            raise AssertionError(f"not settled in time: {left}")
        promised = {id_: one.tenant_id for one in self.promises() for id_ in one.message_ids}
        self.verdict = oracle.judge(
            self.fleet,
            journal=[accept for taken in (self.ses.journal, *self._journals) for accept in taken()],
            promised=promised,
            before=self._before,
            exact=not self._disturbed and not self._journals,
        )
        complaints = self.verdict.complaints(unknown_allowed=unknown_allowed, quarantined=quarantined)
        if never := [word for load in self._loads for word in load.accepted.gave_up]:
            complaints.append(f"{len(never)} requests were never accepted, as {never[0]}")
        assert not complaints, "; ".join(complaints)
        return self.verdict

    def tell(self, **figures: Any) -> None:
        """Printed beside the counts."""
        self.figures |= figures

    def promises(self) -> list[Promise]:
        """Every accepting answer so far, in the order in which they came."""
        found = [promise for load in self._loads for promise in list(load.accepted.promises)]
        return sorted(found, key=lambda promise: promise.at)

    def answers(self) -> Counter[int]:
        """Answers by status; 0 is none at all."""
        return sum((load.accepted.answers for load in self._loads), Counter())

    def answers_without_retry_after(self) -> int:
        """Answers 503 that did not say when to come again."""
        return sum(load.accepted.retry_after_missing for load in self._loads)

    def counter(self, name: str, label: str = "") -> float:
        """How far a counter of the fleet has moved in this row, over all its labels that contain `label`."""
        return oracle.total(oracle.metrics(self.fleet), name, label) - oracle.total(self._before, name, label)

    def run_tests(self, *nodes: str) -> None:
        """Ordinary tests that hold a row, or a part of it: they must all pass."""
        words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *nodes]
        done = subprocess.run(words, cwd=BASE_DIR, env=_own_environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3_000:]
        self.tell(tests=done.stdout.strip().splitlines()[-1].strip("= ").replace(" ", "_"))

    def so_far(self) -> str:
        """How far a row came that failed."""
        promised = sum(len(promise.message_ids) for promise in self.promises())
        words = f"answers {dict(self.answers())}, promised {promised}"
        with suppress(OSError, psycopg.Error, AttributeError):
            words += f", taken {self.ses.counters().get('accepts', 0)}, still {oracle.restless(self.fleet)}"
        return words

    def _use(self, fleet: ChaosFleet) -> None:
        self.fleet = fleet
        self._urls = (fleet.url,)
        self.rig.fresh(fleet)
        self.load = self._new_load()
        self._before = oracle.metrics(fleet)

    def _new_load(self) -> Load:
        name = f"{self.row.name.lower()}-{self.seed}-{len(self._loads)}-{time.time_ns() % 10**9}"
        load = Load(lambda: random.choice(self._urls), self.fleet.senders, name=name)
        self._loads.append(load)
        return load

    def time_left(self) -> float:
        """Seconds of the budget."""
        return self._deadline - time.monotonic()


def _own_environment() -> dict[str, str]:
    """For tests that bring what they need: no services of this run."""
    names = ("DATABASE_URL", "BROKER_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
    return {name: value for name, value in os.environ.items() if name not in names}
