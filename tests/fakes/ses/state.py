"""Everything a running fake knows, shared by its endpoints."""

import hashlib
import threading
from base64 import b64encode
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from typing import Any

from tests.fakes.ses.account import Account
from tests.fakes.ses.faults import Faults
from tests.fakes.ses.http1 import Request
from tests.fakes.ses.journal import Accept, Journal
from tests.fakes.ses.mail import Mail
from tests.fakes.ses.options import Options
from tests.fakes.ses.sns import SnsIdentity
from tests.fakes.ses.topic import Topic

_KEPT_MAILS = 10_000  # about which events may still be asked for
_KEPT_BODY_BYTES = 1024 * 1024  # of one request; larger ones are cut, their size and hash are not


class Counters:
    """Named counts, safe to add to from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, *names: str, number: int = 1) -> None:
        with self._lock:
            for name in names:
                self._counts[name] += number

    def snapshot(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)

    def clear(self) -> None:
        with self._lock:
            self._counts.clear()


class State:
    """The parts of the fake, put together from its options."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.counters = Counters()
        self.account = Account(options)
        self.faults = Faults()
        self.journal = Journal(options.journal, fsync=options.fsync)
        self.identity = SnsIdentity.load_or_make(options.identity, region=options.region)
        self.topic = Topic(options, self.identity, count=self.counters.add)
        self.requests: deque[dict[str, Any]] = deque(maxlen=options.keep_requests)
        self.mails: OrderedDict[str, Mail] = OrderedDict()

    def take_in(self, mails: Sequence[Mail], *, answer: str) -> None:
        """Accept mail: journal it, count it, publish what becomes of it."""
        if not mails:
            return
        self.journal.append([Accept.of(mail, answer=answer) for mail in mails])
        self.counters.add("accepts", number=len(mails))
        self.counters.add("recipients", number=sum(len(mail.destination) for mail in mails))
        for mail in mails:
            self._remember(mail)
            self.topic.publish_story(mail)

    def record(self, request: Request) -> None:
        """Keep a request as it came, for comparison."""
        if not self.options.keep_requests:
            return
        self.requests.append(
            {
                "method": request.method,
                "path": request.target,
                "headers": request.headers,
                "body_base64": b64encode(request.body[:_KEPT_BODY_BYTES]).decode(),
                "body_length": len(request.body),
                "body_sha256": hashlib.sha256(request.body).hexdigest(),
            }
        )

    def reset(self) -> None:
        """Forget what happened: journal, requests, counters, rules, events under way. Subscriptions stay."""
        self.journal.clear()
        self.requests.clear()
        self.mails.clear()
        self.counters.clear()
        self.faults.replace([])
        self.account = Account(self.options)
        self.topic.reset()

    def close(self) -> None:
        self.topic.close()
        self.journal.close()

    def _remember(self, mail: Mail) -> None:
        self.mails[mail.ses_id] = mail
        if len(self.mails) > _KEPT_MAILS:
            self.mails.popitem(last=False)
