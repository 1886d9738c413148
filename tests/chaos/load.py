"""Mail over REST as a careful client sends it: every request with a key, repeated with it until it is answered.

Every accepting answer is remembered: what the oracle finds lost was promised to somebody.
"""

import http.client
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from tests.chaos.fleet import Sender

PATIENCE: Final = 120.0  # seconds until a request that nobody answers is given up
_PAUSE: Final = 0.2  # between two tries
_TIMEOUT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Promise:
    """An accepting answer: when it came, how long it took (its last try alone), and what it promised."""

    at: float  # seconds since 1970
    seconds: float
    tenant_id: str
    message_ids: Sequence[str]


@dataclass(slots=True)
class Accepted:
    """How the submitting went."""

    promises: list[Promise] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)  # by status; 0 is no answer at all
    gave_up: list[str] = field(default_factory=list)  # the last word to requests that were never accepted
    retry_after_missing: int = 0  # answers 503 without the header
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def promise(self, promise: Promise) -> None:
        with self._lock:
            self.promises.append(promise)

    def note(self, status: int, headers: Mapping[str, str]) -> None:
        with self._lock:
            self.answers[status] += 1
            self.retry_after_missing += status == 503 and "retry-after" not in headers

    def miss(self, last_word: str) -> None:
        with self._lock:
            self.gave_up.append(last_word)


class Load:
    """Submits for a fleet's tenants in turn; `name` makes the keys, so that a row's repeats are its own."""

    def __init__(self, url: Callable[[], str], senders: Sequence[Sender], *, name: str) -> None:
        self._url = url
        self.senders = senders
        self._name = name
        self._numbers = itertools.count()
        self._stop = threading.Event()
        self.accepted = Accepted()

    def submit(
        self,
        count: int,
        *,
        batch: int = 50,
        threads: int = 2,
        rate: float | None = None,
        senders: Sequence[Sender] | None = None,
        **fields: Any,
    ) -> None:
        """Submit `count` mails and return when all are answered; `rate` in requests per second.

        `batch` mails share a request. `fields` are added to each mail; the priority is high, where none is given.
        """
        starts = range(0, count, batch)  # of an endless load there are millions
        work = ((min(batch, count - start), next(self._numbers)) for start in starts)
        pace = _Pace(rate)
        lock = threading.Lock()

        def run() -> None:
            with closing(_Client(self._url)) as client:
                while not self._stop.is_set():
                    with lock:
                        if (turn := next(work, None)) is None:
                            return
                    pace.wait()
                    size, number = turn
                    who = (senders or self.senders)[number % len(senders or self.senders)]
                    self._post(client, who, number, size, fields)

        crowd = [threading.Thread(target=run, name="load") for _ in range(min(threads, len(starts)))]
        for thread in crowd:
            thread.start()
        for thread in crowd:
            thread.join()

    def post_once(self, who: Sender, **fields: Any) -> tuple[int, Any]:
        """One mail in one request without a second try: status and answer."""
        number = next(self._numbers)
        began = time.monotonic()
        with closing(_Client(self._url)) as client:
            status, _, answer = client.post(
                "/api/emails", self.mail(who, f"{number}-0", **fields), who.key, f"{self._name}-{number}"
            )
        if status == 200:
            took = time.monotonic() - began
            self.accepted.promise(Promise(time.time(), took, who.tenant_id, [answer["id"]]))
        return status, answer

    def in_background(self, count: int, **how: Any) -> threading.Thread:
        """The same, beside whatever the row does meanwhile; join it."""
        thread = threading.Thread(target=self.submit, args=(count,), kwargs=how, name="load")
        thread.start()
        return thread

    def stop(self) -> None:
        """Finish the requests in hand and begin no other."""
        self._stop.set()

    def _post(
        self, client: "_Client", who: Sender, number: int, size: int, fields: Mapping[str, Any]
    ) -> None:
        mails = [self.mail(who, f"{number}-{place}", **fields) for place in range(size)]
        key = f"{self._name}-{number}"
        path, body = ("/api/emails", mails[0]) if size == 1 else ("/api/emails/batch", mails)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            began = time.monotonic()
            status, headers, answer = client.post(path, body, who.key, key)
            self.accepted.note(status, headers)
            if status == 200:
                ids = [one["id"] for one in answer["data"]] if size > 1 else [answer["id"]]
                took = time.monotonic() - began
                self.accepted.promise(Promise(time.time(), took, who.tenant_id, ids))
                return
            if 400 <= status < 500 and status not in (409, 429):
                break
            time.sleep(_PAUSE)
        self.accepted.miss(f"{key}: {status} {json.dumps(answer)[:200]}")

    def mail(self, who: Sender, number: str, *, fate: str = "ann", **fields: Any) -> dict[str, Any]:
        """A mail to somebody whom only this tenant writes to; `fate` is what the stand-in does with him."""
        given = {
            "from": who.address,
            "to": [f"{fate}+{self._name}-{number}@{who.recipients}"],
            "subject": f"Hello {number}",
            "html": f"<p>Hello Ann, number {number}</p>",
            "priority": "high",
        }
        return given | fields


class _Pace:
    """Starts one turn after another at a rate, whoever takes them."""

    def __init__(self, rate: float | None) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._next = time.monotonic()
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            at, self._next = self._next, max(self._next, time.monotonic() - 1) + self._gap
        time.sleep(max(0.0, at - time.monotonic()))


class _Client:
    """One kept connection, opened again when it broke."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._connection: http.client.HTTPConnection | None = None

    def post(
        self, path: str, body: Any, key: str, idempotency_key: str
    ) -> tuple[int, Mapping[str, str], Any]:
        """Status, headers with lower-case names, and answer; status 0 without one."""
        headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Idempotency-Key": idempotency_key,
        }
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(urlsplit(self._url()).netloc, timeout=_TIMEOUT)
            self._connection.request("POST", path, json.dumps(body), headers)
            response = self._connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return 0, {}, None
        return response.status, {name.lower(): value for name, value in response.getheaders()}, answer

    def close(self) -> None:
        """Until the next request."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
