"""R28: one process on SQLite, no broker, no Redis. The ground truth is the sandbox's journal, a table of its own."""

import contextlib
import os
import shutil
import signal
import threading
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from uuid import UUID

from tests.chaos.case import Case
from tests.chaos.fleet import TIME_SCALE, Sender
from tests.chaos.load import Load
from tests.chaos.registry import row
from tests.live import LiveMailgrid, NotReady

_POINTS = (
    "accept.before_commit",
    "accept.after_commit",
    "claim.before_commit",
    "claim.after_commit",
    "compose",
    "send.before_call",
    "send.after_call",
    "settle.before_commit",
    "settle.after_commit",
    "ingest.before_commit",
)
_SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.chaos.settings_embedded", "CHAOS_TIME_SCALE": TIME_SCALE}


@row("R28", budget=150, own=True)
def r28(case: Case) -> None:
    """The embedded process is killed at random, dies at every crash point, and loses its power three times."""
    armed = ",".join(f"{point}:exit9:1" for point in _POINTS)
    with (
        TemporaryDirectory() as folder,
        _Embedded(Path(folder), CHAOS_FAILPOINTS=armed, **_SETTINGS) as mailgrid,
    ):
        load = _load_of(mailgrid, case)
        submitting = load.in_background(case.size(1_000), batch=5)
        cuts = []
        for number in range(3):
            case.sleep(case.random.uniform(1, 3))
            cuts.append((promised := _promised(load), _power_cut(mailgrid, Path(folder) / f"cut{number}")))
            case.sleep(case.random.uniform(0, 2))
            mailgrid.strike(signal.SIGKILL)
            case.kills += 1
        submitting.join()
        case.wait(lambda: _all_sent(mailgrid, _promised(load)))
        struck = {path.name.rpartition(".")[0] for path in (mailgrid.var_dir / "failpoints").iterdir()}
        case.kills += len(struck)
        case.tell(sends=len(_promised(load)), struck=len(struck), twice=_twice(mailgrid))
        assert (struck, _twice(mailgrid), load.accepted.gave_up) == (set(_POINTS), 0, [])
        for promised, copy in cuts:
            with LiveMailgrid(copy, **_SETTINGS) as after:
                case.wait(lambda after=after, promised=promised: _all_sent(after, promised))
                assert _twice(after) == 0


class _Embedded(LiveMailgrid):
    """Whenever it ends it is started again, as systemd would do it."""

    def __enter__(self) -> Self:
        self.start()
        self._enough = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._supervisor.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._enough.set()
        self._supervisor.join()
        super().__exit__(*error)

    def strike(self, number: int) -> None:
        """A signal to the process, if there is one just now."""
        with contextlib.suppress(AssertionError, ProcessLookupError):
            os.killpg(self.pid, number)

    def _supervise(self) -> None:
        while not self._enough.wait(0.1):
            if not self.running or (self._process is not None and self._process.poll() is not None):
                self.kill()
                with contextlib.suppress(NotReady):  # it met a failpoint before it was ready
                    self.start()


def _load_of(mailgrid: LiveMailgrid, case: Case) -> Load:
    sender = Sender(tenant_id="", key=mailgrid.api_key, address=mailgrid.sender, recipients="example.com")
    return Load(lambda: mailgrid.url, [sender], name=f"embedded-{case.seed}")


def _promised(load: Load) -> set[str]:
    return {id_ for promise in list(load.accepted.promises) for id_ in promise.message_ids}


def _power_cut(mailgrid: _Embedded, folder: Path) -> Path:
    """What is on the disk at this instant, in another place: the process is frozen while it is copied."""
    mailgrid.strike(signal.SIGSTOP)
    try:
        shutil.copytree(mailgrid.var_dir, folder / "var")
    finally:
        mailgrid.strike(signal.SIGCONT)
    return folder


def _all_sent(mailgrid: LiveMailgrid, promised: set[str]) -> bool:
    """Whether the sandbox has taken all of these."""
    return promised <= {
        str(UUID(str(row[0]))) for row in mailgrid.rows("SELECT message_id FROM emails_capturedmail")
    }


def _twice(mailgrid: LiveMailgrid) -> int:
    """How many deliveries the sandbox has taken more than once."""
    taken = Counter(row[0] for row in mailgrid.rows("SELECT delivery_id FROM emails_capturedmail"))
    return sum(count - 1 for count in taken.values())
