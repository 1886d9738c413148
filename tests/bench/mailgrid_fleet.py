"""Mailgrid as it runs on many machines: processes of deploy/Procfile, with accounts at the provider."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from tests.bench.provider import StandIn
from tests.bench.stage import Stage
from tests.fakes.ses.sns import SnsIdentity
from tests.live_fleet import LiveFleet

_UNLIMITED: Final = {"requests_per_minute": 10_000_000, "recipients_per_minute": 100_000_000}
SMTP_STREAM: Final = "relayed"  # its mail goes through SMTP, all other through SES
_ALWAYS: Final = ("web", "beat", "worker-maintenance")
_WORKERS: Final = {
    "immediate": "worker-immediate",
    "high": "worker-send",
    "medium": "worker-send",
    "low": "worker-bulk",
}
_TOPIC: Final = "arn:aws:sns:eu-west-1:000000000000:mailgrid"
NEVER_REACHED: Final = (
    1_000_000_000  # mails a minute: the pace is kept as in production, and slows nobody down
)


class MailgridFleet(LiveFleet):
    """Web and `always` have its turn, and the workers whose mail waits."""

    name = "Mailgrid"
    single_path = "/api/emails"
    batch_path = "/api/emails/batch"
    share = 1.0
    topic = _TOPIC

    def __init__(self, stage: Stage, directory: Path, *, always: tuple[str, ...] = _ALWAYS) -> None:
        certificate = directory / "sns.pem"
        self.identity = SnsIdentity.load_or_make(certificate, region="eu-west-1")
        super().__init__(
            directory,
            only=always,
            UNSAFE_HOSTS="127.0.0.1",
            LOG_LEVEL="WARNING",
            FAKE_SNS_IDENTITY=certificate,
        )
        self._always = always
        self._provider: StandIn = stage.provider

    def __enter__(self) -> Self:
        super().__enter__()
        self._connect()
        self._stop_all()
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
        for name in self._always:
            self.start(name)
        self.wait_for_web()
        try:
            yield
        finally:
            self._stop_all()

    @contextmanager
    def sending(self, priority: str) -> Iterator[int]:
        """The worker for this priority; its process."""
        with self.workers(_WORKERS[priority]) as (worker,):
            yield worker

    @contextmanager
    def workers(self, *names: str) -> Iterator[list[int]]:
        """These workers; their processes."""
        for name in names:
            self.start(name)
        try:
            yield [self._processes[name].pid for name in names]
        finally:
            with ThreadPoolExecutor() as pool:
                list(pool.map(self.stop, names))

    def parts(self) -> Mapping[str, int]:
        """`web`, and what keeps time and order."""
        return {
            name.removeprefix("worker-"): process.pid
            for name, process in self._processes.items()
            if name in self._always
        }

    def drop_waiting(self, waiting: int) -> int:
        """Nothing: everything it accepts is sent."""
        return waiting

    def last_words(self) -> str:
        """The ends of the logs."""
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in self.directory.glob("*.log"))

    def pace(self, transport: str, *, per_minute: int) -> None:
        """At most so many mails a minute through this account. Web must run."""
        path = f"/api/transports/{self._transports[transport]}"
        self.must(200, "PATCH", path, {"per_minute": per_minute})

    def must(self, expected: int, method: str, path: str, body: object = None) -> Any:
        """The answer to a request that has to succeed."""
        code, answer = self.call(method, path, body)
        if code != expected:
            raise RuntimeError(f"{method} {path}: {code} {answer}")
        return answer

    def _connect(self) -> None:
        self.must(200, "PATCH", f"/api/tenants/{self.tenant_id}", {"limits": _UNLIMITED})
        accounts = {
            "ses": {
                "region": "eu-west-1",
                "access_key_id": "AKIDTEST",
                "secret_access_key": "secret",
                "endpoint_url": self._provider.url,
                "configuration_set": "mailgrid",
                "topic_arns": [_TOPIC],
            },
            "smtp": {"host": "127.0.0.1", "port": self._provider.smtp_port, "tls": "none"},
        }
        made = {
            kind: self.must(
                201,
                "POST",
                "/api/transports",
                {"name": kind, "kind": kind, "settings": settings, "per_minute": NEVER_REACHED},
            )
            for kind, settings in accounts.items()
        }
        self._transports = {kind: answer["id"] for kind, answer in made.items()}
        for stream in self.call("GET", "/api/streams")[1]["data"]:
            self.must(200, "PATCH", f"/api/streams/{stream['id']}", {"transport": "ses"})
        self.must(201, "POST", "/api/streams", {"name": SMTP_STREAM, "transport": "smtp"})
        self.hook_url = f"{self.url}/hooks/{made['ses']['hook_url'].partition('/hooks/')[2]}"

    def _stop_all(self) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.stop, list(self._processes)))
