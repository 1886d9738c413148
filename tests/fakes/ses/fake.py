"""The fake as a context manager: in a thread of the test, or as a process of its own that can be killed."""

import base64
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from tests.fakes.ses.faults import Mode, Rule
from tests.fakes.ses.journal import Accept
from tests.fakes.ses.mail import Mail
from tests.fakes.ses.options import Options
from tests.fakes.ses.runners import InProcess, InThread


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """A request as it came over the wire; `body` is cut at 1 MB, `body_length` and `body_sha256` are not."""

    method: str
    path: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    body_length: int
    body_sha256: str

    def json(self) -> Any:
        return json.loads(self.body)


class FakeSes:
    """A fake SES that runs while the context is open, and the verbs of its control endpoint.

    `own_process=True` starts it as a process, whose `pid` may be killed and stopped like a provider's
    machine; give it a `journal` path and a port then, so that `start` brings it back as it was.
    All other arguments are `Options`.
    """

    def __init__(self, *, own_process: bool = False, **options: Any) -> None:
        self.options = Options(**options)
        self.topic_arn = self.options.topic_arn
        self.url = ""
        self._runner: InThread | InProcess = (InProcess if own_process else InThread)(self.options)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start, or start again after `stop` or `kill`; sets `url`."""
        self.url = self._runner.start()

    def stop(self) -> None:
        self._runner.stop()

    @property
    def process(self) -> "subprocess.Popen[str]":
        """The process, with `own_process=True`; for `kill()` and `send_signal()`."""
        assert isinstance(self._runner, InProcess)
        return self._runner.process

    def journal(self) -> list[Accept]:
        """Every accept so far, in order."""
        return [Accept(**json.loads(line)) for line in self._get("journal").splitlines()]

    def requests(self) -> list[RecordedRequest]:
        """The last requests to the SES API."""
        return [_recorded(document) for document in json.loads(self._get("requests"))]

    def mails(self) -> list[Mail]:
        """The last accepted mails, in order."""
        return [_mail(document) for document in json.loads(self._get("mails"))]

    def counters(self) -> dict[str, int]:
        """Counts by name: `connections`, `requests`, `accepts`, `faults.<mode>`, `events.posted`, ..."""
        counts: dict[str, int] = json.loads(self._get("counters"))
        return counts

    def withheld(self) -> list[dict[str, Any]]:
        """The events that were lost on purpose: eventType, ses_id, delivery."""
        events: list[dict[str, Any]] = json.loads(self._get("withheld"))
        return events

    @property
    def certificate_pem(self) -> bytes:
        """The certificate with which the SNS messages verify."""
        return self._get("certificate")

    def misbehave(self, *rules: Rule | Mode | str, seed: int | None = None, **settings: Any) -> None:
        """Replace the faults in force: rules, or one mode with the settings of a `Rule`. None: behave."""
        if len(rules) == 1 and not isinstance(rules[0], Rule):
            rules = (Rule(mode=Mode(rules[0]), **settings),)
        documents = [asdict(rule) if isinstance(rule, Rule) else {"mode": rule} for rule in rules]
        self._post("misbehave", {"rules": documents, "seed": seed})

    def events(self, **habits: Any) -> None:
        """Replace how events travel; the arguments are those of `Habits`."""
        self._post("events", habits)

    def subscribe(self, endpoint: str, topic_arn: str | None = None) -> str:
        """Ask an endpoint to confirm a subscription; returns the token it has to give back."""
        token: str = self._post("subscribe", {"endpoint": endpoint, "topic_arn": topic_arn})["token"]
        return token

    def unsubscribe_all(self) -> None:
        """End every subscription, and forget what was on its way."""
        self._post("unsubscribe", {})

    def publish(self, event_type: str, ses_id: str, recipients: Sequence[str] | None = None) -> None:
        """Publish one more event about an accepted mail."""
        self._post("publish", {"event_type": event_type, "ses_id": ses_id, "recipients": recipients})

    def publish_text(self, text: str) -> None:
        """Publish any text as a signed notification."""
        self._post("publish", {"text": text})

    def change_account(self, **settings: Any) -> None:
        """Set limits (`max_send_rate`, `enforce_rate`, ...), `sending_enabled` or `credentials`."""
        self._post("account", settings)

    def reset(self) -> None:
        """Forget everything but subscriptions."""
        self._post("reset", {})

    def drain(self, *, timeout_seconds: float = 10) -> None:
        """Wait until no event is on its way. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_seconds
        while self.counters()["events.pending"]:
            if time.monotonic() > deadline:
                raise TimeoutError("events are still on their way")
            time.sleep(0.01)

    def _get(self, path: str) -> bytes:
        return self._call(urllib.request.Request(f"{self.url}/_control/{path}"))

    def _post(self, path: str, document: Mapping[str, Any]) -> Any:
        body = json.dumps(document).encode()
        return json.loads(self._call(urllib.request.Request(f"{self.url}/_control/{path}", data=body)))

    def _call(self, request: urllib.request.Request) -> bytes:
        """One control call. Raises ValueError with the fake's words when it is refused."""
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                body: bytes = response.read()
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(error.read().decode()) from error
        return body


def _mail(document: Mapping[str, Any]) -> Mail:
    """A mail from JSON, which knows neither times nor tuples."""
    read = {
        "accepted_at": datetime.fromisoformat(document["accepted_at"]),
        "headers": [(name, value) for name, value in document["headers"]],
    }
    return Mail(**{**document, **read})


def _recorded(document: Mapping[str, Any]) -> RecordedRequest:
    return RecordedRequest(
        method=document["method"],
        path=document["path"],
        headers=[(name, value) for name, value in document["headers"]],
        body=base64.b64decode(document["body_base64"]),
        body_length=document["body_length"],
        body_sha256=document["body_sha256"],
    )
