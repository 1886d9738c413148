"""What systemd does with `Restart=always` and `KillMode=mixed`: a process that ended is started again."""

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.fleet import ChaosFleet

RESTART_SECONDS = 1.0  # `RestartSec`


class Supervisor(threading.Thread):
    """Looks after a fleet's processes until `stop`; counts how often it had to start one again."""

    def __init__(self, fleet: "ChaosFleet") -> None:
        super().__init__(name="supervisor", daemon=True)
        self._fleet = fleet
        self._stopped = threading.Event()
        self.restarts = 0

    def run(self) -> None:
        while not self._stopped.wait(0.1):
            for name in self._fleet.ended():
                self._stopped.wait(RESTART_SECONDS)
                self.restarts += self._fleet.revive(name)

    def stop(self) -> None:
        """From now on what ends stays so."""
        self._stopped.set()
        self.join()
