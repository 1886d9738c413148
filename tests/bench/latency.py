"""An urgent email while nothing else happens: from sending the request until the provider has the mail."""

import http.client
import time
from random import Random
from typing import Final
from urllib.parse import urlsplit

from tests.bench.figures import percentile
from tests.bench.mailer import Bench, Mailer, Sample, load_average
from tests.bench.mails import SEED, singles

COUNT: Final = 120
_WARM: Final = 10
_PATIENCE: Final = 30.0  # seconds


def alone(bench: Bench, mailer: Mailer) -> list[Sample]:
    """One at a time; the accept is part of it."""
    bench.provider.forget()
    pauses = Random(SEED)
    started = []
    connection = http.client.HTTPConnection(urlsplit(mailer.url).netloc, timeout=_PATIENCE)
    with mailer.sending("immediate"):
        before = bench.read(mailer)
        for sent, body in enumerate(singles(_WARM + COUNT, **mailer.of_mail, priority="immediate"), start=1):
            time.sleep(pauses.uniform(0.03, 0.06))
            started.append(time.monotonic())
            _post(connection, mailer, body)
            _await(bench, sent)
        used = before.until(bench.read(mailer))
    waits = [arrived - begun for arrived, begun in zip(bench.provider.arrivals(), started, strict=True)][
        _WARM:
    ]
    queued = load_average()
    return [
        Sample(
            row=f"immediate, request to provider, {name}",
            value=percentile(waits, share) * 1000,
            unit="ms",
            others=used.others,
            load_average=queued,
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


def _post(connection: http.client.HTTPConnection, mailer: Mailer, body: bytes) -> None:
    headers = {**mailer.headers, "Content-Type": "application/json"}
    connection.request("POST", mailer.single_path, body, headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status not in (200, 201):
        raise RuntimeError(f"{response.status}: {answer[:500]!r}")


def _await(bench: Bench, count: int) -> None:
    time.sleep(0.02)  # asking costs the provider time that the mail may need
    until = time.monotonic() + _PATIENCE
    while bench.provider.count() < count:
        if time.monotonic() > until:
            raise RuntimeError(f"an urgent email was not sent within {_PATIENCE:.0f} seconds")
        time.sleep(0.01)
