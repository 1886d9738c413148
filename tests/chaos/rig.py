"""Servers, stand-in and fleet, put together for a whole run."""

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.chaos.fleet import ACCESS_KEY, SECRET, TIME_SCALE, ChaosFleet
from tests.chaos.proxy import Proxy
from tests.chaos.servers import Servers
from tests.fakes.ses import FakeSes
from tests.live import free_port

# What every run has, as SNS has it: events come a moment later, some twice, some out of order. What we refuse is posted
# three times again, after SNS's 20 seconds in short.
HABITS: Final = {
    "delay_ms": 100,
    "duplicate": 1.1,
    "reorder": 0.05,
    "reorder_ms": 300,
    "retry_ms": 20_000 / TIME_SCALE,
}


class Rig:
    """The servers and the stand-in of a whole run, and the fleet that its rows share.

    `size` shrinks the rows' numbers of mails (1: the catalogue's short form). `mutation` breaks the product.
    """

    def __init__(self, *, seed: int, size: float = 1.0, mutation: str = "") -> None:
        self.seed, self.size, self.mutation = seed, size, mutation
        self._fleet: ChaosFleet | None = None
        self._fleet_open = ExitStack()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._folder = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="mailgrid-chaos-")))
        try:
            self._folder_of_fleet = self._folder
            self.servers = self._open.enter_context(Servers())
            self.proxy = self._open.enter_context(Proxy())
            self.identity = self._folder / "sns.pem"
            self.ses = self._open.enter_context(
                FakeSes(
                    own_process=True,
                    port=free_port(),
                    identity=self.identity,
                    journal=self._folder / "journal",
                    fsync=True,
                    credentials={ACCESS_KEY: SECRET},
                    keep_requests=0,
                    max_send_rate=10_000.0,
                    max_24_hour_send=1e9,
                )
            )
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_fleet()
        self._open.close()

    @property
    def fleet(self) -> ChaosFleet:
        """The shared one, started when it is first asked for."""
        if self._fleet is None:
            self._fleet = self._fleet_open.enter_context(self.new_fleet())
        return self._fleet

    def new_fleet(self, **given: Any) -> ChaosFleet:
        """A fleet of these servers, not yet started; the arguments are those of `ChaosFleet`."""
        folder = Path(tempfile.mkdtemp(prefix="fleet-", dir=self._folder))
        own: dict[str, Any] = {"services": self.servers.variables, "ses": self.ses, "identity": self.identity}
        if self.mutation:
            own["CHAOS_MUTATION"] = self.mutation
        self._folder_of_fleet = folder
        return ChaosFleet(folder, proxy=self.proxy, **own | given)

    def mutate(self, mutation: str) -> None:
        """From now on fleets are broken so."""
        self.end_fleet()
        self.mutation = mutation

    def keep_logs(self, folder: Path) -> int:
        """Copy what the processes of the newest fleet have said, and what the database is at; of how many."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "activity.txt").write_text(self.servers.postgres.activity())
        logs = list(self._folder_of_fleet.glob("*.log"))
        for log in logs:
            shutil.copy(log, folder)
        return len(logs)

    def end_fleet(self) -> None:
        """The next row that shares a fleet gets a new one."""
        self.servers.all_up()  # the database is dropped there
        self._fleet_open.close()
        self._fleet = None

    def fresh(self, fleet: ChaosFleet) -> None:
        """As before the first row: everything runs, nothing is under way, nobody misbehaves, no mail is left."""
        self.servers.all_up()
        fleet.complete()
        self.ses.misbehave()
        fleet.hearing.clear()
        fleet.forget_mail()
        self.ses.reset()
        self.ses.events(**HABITS, seed=self.seed)
