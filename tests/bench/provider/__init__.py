"""A provider that takes everything at once: SES's SendEmail and SendBulkEmail, and SMTP; counted and forgotten.

    with StandIn() as provider:
        client = boto3.client("sesv2", endpoint_url=provider.url, ...)
        smtplib.SMTP("127.0.0.1", provider.smtp_port)
        provider.arrivals()     # when each mail came, in time.monotonic seconds

`tests.fakes` has the stand-ins for tests: they check what they are given, and cost several times as much. This one
looks at no signature and at no content but the number of a bulk request's entries and the marks of `mails.marked`.
A process of its own, because it shares the cores with what is measured and its CPU time is shown.

`counts`   what came, and when
`http`     SES, and the questions of the benchmark
`smtp`     the sink; ours, because Postfix's smtp-sink delays by whole seconds and does not tell when each mail came
"""

import http.client
import json
import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self


class StandIn:
    """The process, and what it has counted."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.provider"], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self._port, self.smtp_port = map(int, self._process.stdout.readline().split())
        self._control = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._control.close()
        self._process.kill()
        self._process.communicate()

    @property
    def url(self) -> str:
        """SES's endpoint."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def forget(self, *, delay_seconds: float = 0.0) -> None:
        """Count from zero, and from now on say yes to each request after so long."""
        self._ask("POST", "/forget", {"delay_seconds": delay_seconds})

    def count(self) -> int:
        """Mails since then."""
        return int(self._ask("GET", "/count")["mails"])

    def unmarked(self) -> int:
        """Those of them that bear no mark."""
        found = self._ask("GET", "/count")
        return int(found["mails"]) - int(found["marked"])

    def requests(self) -> Mapping[str, int]:
        """Since then: `single` and `bulk` requests, and `smtp` transactions."""
        return dict(self._ask("GET", "/count")["requests"])

    def arrivals(self) -> list[float]:
        """When each mail came, in time.monotonic seconds."""
        return list(self._ask("GET", "/arrivals")["arrivals"])

    def marked(self) -> dict[int, float]:
        """When each marked mail came first, by its mark."""
        return {int(mark): at for mark, at in self._ask("GET", "/marked")["marked"].items()}

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        self._control.request(method, path, json.dumps(body))
        return json.loads(self._control.getresponse().read())
