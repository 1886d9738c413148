"""A fleet that is broken on purpose: its tenants, its account at the stand-in, and handles on its processes."""

import json
import os
import secrets
import signal
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psycopg

from tests.chaos.proxy import Proxy
from tests.chaos.supervisor import Supervisor
from tests.fakes.ses import FakeSes
from tests.live import free_port, wait_until
from tests.live_fleet import LiveFleet, procfile

UNLIMITED: Final = {"requests_per_minute": 100_000_000, "recipients_per_minute": 100_000_000}
TRANSPORT: Final = "main"
ACCESS_KEY: Final = "AKIDTEST"
SECRET: Final = "wJalrXUtnFEMI-chaos-bPxRfiCYSECRET"  # to be found nowhere (A30)
WITHOUT_FLOWER: Final = tuple(name for name in procfile() if name != "flower")
SENDING: Final = ("worker-immediate", "worker-send", "worker-bulk")

# Minutes become seconds: a lease of 3 s, a grace of 6 s for high and medium mail.
TIME_SCALE: Final = 30

_PATIENCE: Final = 30.0

# By name: not every one of them is tied to its message by a constraint.
_OF_MAIL: Final = (
    "emails_message",
    "emails_messagecontent",
    "emails_delivery",
    "emails_recipient",
    "emails_attempt",
    "emails_pendingattachment",
    "emails_disposition",
    "emails_event",
    "emails_notification",
    "emails_capturedmail",
    "emails_suppression",
    "emails_verification",
    "emails_breaker",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A tenant that submits mail, from `address` to people at `recipients`, a domain nobody else writes to."""

    tenant_id: str
    key: str
    address: str
    recipients: str

    @classmethod
    def of(cls, slug: str, *, tenant_id: str, key: str) -> Self:
        address = f"{slug.title()} <hello@{slug}.test>"
        return cls(tenant_id=tenant_id, key=key, address=address, recipients=f"{slug}.example")


class ChaosFleet(LiveFleet):
    """Mailgrid's processes on these servers, in short times, with a supervisor.

    Its tenants send through one account of the installation, as most tenants of a hoster do.
    """

    def __init__(
        self,
        directory: Path,
        *,
        ses: FakeSes,
        proxy: Proxy,
        identity: Path,
        services: Mapping[str, str],
        endpoint: str | None = None,
        only: tuple[str, ...] = WITHOUT_FLOWER,
        others: Sequence[str] = ("globex",),
        **variables: object,
    ) -> None:
        given = {
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "UNSAFE_HOSTS": "127.0.0.1",
            "FAKE_SNS_IDENTITY": identity,
            "CHAOS_TIME_SCALE": TIME_SCALE,
            "SENDING_PROCESSES": 2 * len(SENDING),
        }
        super().__init__(directory, only=only, services=services, **(given | variables))
        self.ses = ses
        # The way of the provider's events. What we cannot take just now waits, as it does in a queue of SQS.
        self.hearing = proxy.link(self.port, patience=_PATIENCE)
        self._endpoint = endpoint
        self._slugs = others
        self.senders: list[Sender] = []  # those of every load that names none
        self.tenants: list[Sender] = []  # these, and the special ones of single rows
        self._lock = threading.RLock()
        self._lives: dict[str, dict[str, Any]] = {}  # how each was started, to be started so again
        self._supervisor: Supervisor | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self._connect()
        except BaseException:
            super().__exit__(None, None, None)
            raise
        self.supervise()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.neglect()
        super().__exit__(kind, error, trace)

    # ---- Processes -------------------------------------------------------------------------------------------------

    def start(self, name: str, *, command: str | None = None, **variables: object) -> None:
        with self._lock:
            super().start(name, command=command, **variables)
            self._lives[name] = {"command": command, **variables}

    def stop(self, name: str) -> int:
        """TERM, and wait; the supervisor leaves it alone."""
        with self._lock:
            process = self._processes.pop(name)
        process.terminate()
        try:
            return process.wait(60)
        finally:
            _signal_group(process.pid, signal.SIGKILL)

    def kill(self, name: str) -> None:
        with self._lock:
            super().kill(name)

    def restart(self, name: str, **variables: object) -> None:
        """kill -9, and start with other variables; without any as it was meant to be."""
        self.kill(name)
        self.start(name, **variables)

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def strike(self, name: str, number: int = signal.SIGKILL) -> None:
        """A signal to its whole group, from nobody who would tell the supervisor."""
        with self._lock:
            if (process := self._processes.get(name)) is not None:
                _signal_group(process.pid, number)

    def children(self, name: str) -> list[int]:
        """The processes it forked: of a worker its pool."""
        with self._lock:
            process = self._processes.get(name)
        if process is None:
            return []
        with suppress(OSError):
            found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            return [int(pid) for pid in found]
        return []

    def ended(self) -> list[str]:
        """Those that ended by themselves, or by somebody's signal."""
        with self._lock:
            return [name for name, process in self._processes.items() if process.poll() is not None]

    def revive(self, name: str) -> bool:
        """Start one that ended as it was started before, once nothing of its group is left."""
        with self._lock:
            process = self._processes.get(name)
            if process is None or process.poll() is None:
                return False
            _signal_group(process.pid, signal.SIGKILL)
            del self._processes[name]
            self.start(name, **self._lives[name])
            return True

    def supervise(self) -> None:
        """Start again what ends, from now on."""
        self._supervisor = Supervisor(self)
        self._supervisor.start()

    def neglect(self) -> None:
        """What ends stays so."""
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None

    def replace(self, names: Sequence[str]) -> None:
        """What a deployment does: TERM to all of them, and the new ones start as the old ones have ended."""
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(self.stop, names))
        for name in names:
            self.start(name)

    def struck(self, point: str) -> int:
        """How often a failpoint has acted."""
        return len(list((self.var_dir / "failpoints").glob(f"{point}.*")))

    def disarm(self, *points: str) -> None:
        """Forget that they have acted."""
        for point in points:
            for mark in (self.var_dir / "failpoints").glob(f"{point}.*"):
                mark.unlink()

    def go_on(self, name: str) -> int:
        """SIGCONT to those of a worker's pool that a failpoint stopped; how many there were."""
        frozen = [pid for pid in self.children(name) if _is_stopped(pid)]
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
        return len(frozen)

    @contextmanager
    def another(self, name: str) -> Iterator[str]:
        """A second process of the same kind, for a while; of `web` on another port, whose address this yields.

        A worker has begun to work when this returns.
        """
        port, other = free_port(), f"{name}-{secrets.token_hex(2)}"
        command = procfile()[name].replace("@%h", f"-{other}@%h")
        self.start(other, command=command, PORT=port)
        try:
            if name.startswith("worker"):
                wait_until(lambda: self.children(other))
            yield f"http://127.0.0.1:{port}"
        finally:
            self.stop(other)

    # ---- Tenants ---------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        """Give every tenant the account at the stand-in, and let its topic post to us."""
        account = {
            "region": "eu-west-1",
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET,
            "endpoint_url": self._endpoint or self.ses.url,
            "configuration_set": "mailgrid",
            "topic_arns": [self.ses.topic_arn],
        }
        new = {"name": TRANSPORT, "kind": "ses", "shared": True, "settings": account}
        made = self.expect(201, "POST", "/api/transports", new)
        self._admit(Sender.of("acme", tenant_id=self.tenant_id, key=self.api_key))
        for slug in self._slugs:
            self.enroll(slug)
        self.senders = list(self.tenants)
        _, hook, secret = made["hook_url"].partition("/hooks/")
        self.hook_url = f"http://127.0.0.1:{self.hearing.port}{hook}{secret}"
        self.hear()

    def hear(self) -> None:
        """Subscribe to the events, and wait until we have confirmed."""
        before = self.ses.counters().get("subscriptions.confirmed", 0)
        self.ses.unsubscribe_all()
        self.ses.subscribe(self.hook_url)
        wait_until(lambda: self.ses.counters().get("subscriptions.confirmed", 0) > before)

    def enroll(self, slug: str, **limits: object) -> Sender:
        """One more tenant that sends through the account, when a row asks it to."""
        words = ("--name", slug.title(), "--slug", slug, "--domain", f"{slug}.test")
        made = json.loads(self.manage("bootstrap", *words).stdout)
        sender = Sender.of(slug, tenant_id=made["tenant_id"], key=made["api_key"])
        self._admit(sender, **limits)
        return sender

    def _admit(self, sender: Sender, **limits: object) -> None:
        self.expect(200, "PATCH", f"/api/tenants/{sender.tenant_id}", {"limits": UNLIMITED | limits})
        for stream in self.expect(200, "GET", "/api/streams", key=sender.key)["data"]:
            self.expect(
                200, "PATCH", f"/api/streams/{stream['id']}", {"transport": TRANSPORT}, key=sender.key
            )
        self.tenants.append(sender)

    def expect(self, status: int, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """A call that must be answered so; the operator's without a key."""
        headers = {"Authorization": f"Bearer {key}"} if key else None
        code, answer = self.call(method, path, body, headers)
        assert code == status, f"{method} {path}: {code} {answer}"
        return answer

    def complete(self) -> None:
        """Every process runs that belongs to it and no other, each as it was meant to be; they are ready for work."""
        with self._lock:
            for name in list(self._processes):
                self.strike(name, signal.SIGCONT)
                if name not in self.names or self._lives[name] != {"command": None}:
                    self.kill(name)
            for name in self.names:
                if name not in self._processes:
                    self.start(name)
        if self._supervisor is None:
            self.supervise()
        self.wait_for_web()
        self.wait_for_workers()

    @property
    def workers(self) -> list[str]:
        """Their names."""
        return [name for name in self.names if name.startswith("worker")]

    def wait_for_workers(self) -> None:
        """Until each has its pool."""
        wait_until(lambda: all(self.children(name) for name in self.workers))

    # ---- Rows ------------------------------------------------------------------------------------------------------

    def _answers(self) -> bool:
        """Whatever web process there is just now: the supervisor brings another one."""
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as response:
            return bool(response.status == 200)
        return False

    def forget_mail(self) -> None:
        """Empty every table that mail leaves its traces in; tenants, keys, streams and accounts stay."""
        wait_until(lambda: self._truncated(f"TRUNCATE {', '.join(_OF_MAIL)} CASCADE"))

    def _truncated(self, statement: str) -> bool:
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            try:
                connection.execute("SET lock_timeout = '500ms'")  # nobody's own timeout is to blame us
                connection.execute(statement)
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                return False
        return True

    def says(self, words: str) -> int:
        """How often the processes have written this into their logs."""
        return sum(path.read_text(errors="replace").count(words) for path in self.directory.glob("*.log"))


def _signal_group(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, number)


def _is_stopped(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    return False
