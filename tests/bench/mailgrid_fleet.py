"""Mailgrid as it runs on many machines: processes of deploy/Procfile, with an SES account at the stand-in."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.bench.mailer import Sizes
from tests.live_fleet import LiveFleet

_UNLIMITED: Final = {"requests_per_minute": 10_000_000, "recipients_per_minute": 100_000_000}
_ALWAYS: Final = ("web", "beat", "worker-maintenance")
_WORKERS: Final = {"immediate": "worker-immediate", "high": "worker-send", "medium": "worker-send"}


class MailgridFleet(LiveFleet):
    """Web, beat and maintenance have its turn, and the worker whose mail waits."""

    name = "Mailgrid"
    sizes = Sizes(near=6_000, far=1_500, batches=200)
    single_path = "/api/emails"
    batch_path = "/api/emails/batch"

    def __init__(self, directory: Path, *, provider_url: str) -> None:
        super().__init__(directory, only=_ALWAYS, UNSAFE_HOSTS="127.0.0.1", LOG_LEVEL="WARNING")
        self._provider_url = provider_url

    def __enter__(self) -> "MailgridFleet":
        super().__enter__()
        self._connect()
        return self

    @property
    def of_mail(self) -> Mapping[str, str]:
        """Arguments of `mails.mail`."""
        return {"sender": self.sender}

    @property
    def headers(self) -> Mapping[str, str]:
        """Of each request."""
        return {"Authorization": f"Bearer {self.api_key}"}

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Everything but the workers that send."""
        for name in _ALWAYS:
            if name not in self._processes:
                self.start(name)
        self.wait_for_web()
        try:
            yield
        finally:
            with ThreadPoolExecutor() as pool:
                list(pool.map(self.stop, list(self._processes)))

    @contextmanager
    def sending(self, priority: str) -> Iterator[int]:
        """The worker for this priority; its process."""
        name = _WORKERS[priority]
        self.start(name)
        try:
            yield self._processes[name].pid
        finally:
            self.stop(name)

    def parts(self) -> Mapping[str, int]:
        """`web`, and what keeps time and order."""
        return {
            name.removeprefix("worker-"): process.pid
            for name, process in self._processes.items()
            if name in _ALWAYS
        }

    def drop_waiting(self, waiting: int) -> int:
        """Nothing: everything it accepts is sent."""
        return waiting

    def last_words(self) -> str:
        """The ends of the logs."""
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in self.directory.glob("*.log"))

    def _connect(self) -> None:
        self._must(200, "PATCH", f"/api/tenants/{self.tenant_id}", {"limits": _UNLIMITED})
        account = {
            "region": "eu-west-1",
            "access_key_id": "AKIDTEST",
            "secret_access_key": "secret",
            "endpoint_url": self._provider_url,
            "configuration_set": "mailgrid",
        }
        self._must(201, "POST", "/api/transports", {"name": "main", "kind": "ses", "settings": account})
        for stream in self.call("GET", "/api/streams")[1]["data"]:
            self._must(200, "PATCH", f"/api/streams/{stream['id']}", {"transport": "main"})

    def _must(self, expected: int, method: str, path: str, body: object) -> None:
        code, answer = self.call(method, path, body)
        if code != expected:
            raise RuntimeError(f"{method} {path}: {code} {answer}")
