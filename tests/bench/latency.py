"""An urgent email while nothing else happens: from sending the request until the provider has the mail."""

import http.client
import time
from collections.abc import Iterator
from random import Random
from typing import Final
from urllib.parse import urlsplit

from tests.bench.figures import percentile
from tests.bench.mailer import Acceptor, Mailer, Sample, explained, load_average
from tests.bench.mails import SEED, singles
from tests.bench.stage import Stage

ALONE: Final = "immediate, request to provider"
_COUNT: Final = 120
_WARM: Final = 10
_PATIENCE: Final = 30.0  # seconds


def turn(stage: Stage, mailer: Mailer) -> Iterator[Sample]:
    """One at a time; the accept is part of it."""
    with mailer.turn(), explained(mailer), mailer.sending("immediate"):
        before, queued = stage.read(mailer), load_average()
        waits = alone(stage, mailer)
        used = before.until(stage.read(mailer))
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        yield Sample(
            row=f"{ALONE}, {name}",
            value=percentile(waits, share) * 1000,
            unit="ms",
            others=used.others,
            load_average=queued,
        )


def alone(stage: Stage, mailer: Acceptor) -> list[float]:
    """Seconds from each request until the provider had its mail; the worker runs."""
    stage.provider.forget()
    pauses, started = Random(SEED), []
    connection = http.client.HTTPConnection(urlsplit(mailer.url).netloc, timeout=_PATIENCE)
    bodies = singles(_WARM + min(stage.size(_COUNT), _COUNT), **mailer.of_mail, priority="immediate")
    for sent, body in enumerate(bodies, start=1):
        time.sleep(pauses.uniform(0.03, 0.06))
        started.append(time.monotonic())
        _post(connection, mailer, body)
        _await(stage, sent)
    arrivals = stage.provider.arrivals()
    return [arrived - begun for arrived, begun in zip(arrivals, started, strict=True)][_WARM:]


def _post(connection: http.client.HTTPConnection, mailer: Acceptor, body: bytes) -> None:
    headers = {**mailer.headers, "Content-Type": "application/json"}
    connection.request("POST", mailer.single_path, body, headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status not in (200, 201):
        raise RuntimeError(f"{response.status}: {answer[:500]!r}")


def _await(stage: Stage, count: int) -> None:
    time.sleep(0.02)  # asking costs the provider time that the mail may need
    until = time.monotonic() + _PATIENCE
    while stage.provider.count() < count:
        if time.monotonic() > until:
            raise RuntimeError(f"an urgent email was not sent within {_PATIENCE:.0f} seconds")
        time.sleep(0.01)
