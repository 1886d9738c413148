"""Embedded mode: how soon a lone email is sent, and how many 24 clients get accepted and sent."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.bench.client import Connection, crowd
from tests.bench.figures import percentile, resident_megabytes
from tests.bench.mailer import Sample
from tests.bench.stage import Stage
from tests.live import LiveMailgrid

LONE: Final = 200
CLIENTS: Final = 24
EACH: Final = 100
LONE_SENT: Final = "lone email, accept to sent"
MANY_SENT: Final = f"{CLIENTS} clients, accepted and sent"
MANY_MAX: Final = f"{CLIENTS} clients, accept, longest"


class Itself:
    """One process has nothing around it; it is started in its turn."""

    name = "one process"

    def __init__(self, directory: Path) -> None:
        self.directory = directory


def turn(stage: Stage, itself: Itself) -> Iterator[Sample]:
    """Start a fresh Mailgrid and measure it."""
    with TemporaryDirectory(dir=itself.directory) as directory, LiveMailgrid(Path(directory)) as live:
        connection = Connection(live.url, live.api_key)
        connection.call("PATCH", f"/api/tenants/{_tenant(connection)}", {"limits": _NO_LIMITS})
        database = live.var_dir / "mailgrid.sqlite3"
        yield from _lone(connection, live.sender, database, emails=min(LONE, stage.size(LONE)))
        each = min(EACH, -(-stage.size(CLIENTS * EACH) // CLIENTS))
        yield from _many(live.url, live.api_key, live.sender, database, each=each)
        yield Sample(row="process, resident", value=resident_megabytes(live.pid), unit="MB")


# The default of 600 requests a minute is a tenant's limit, not the machine's.
_NO_LIMITS = {"requests_per_minute": 1_000_000, "recipients_per_minute": 1_000_000}


def _tenant(connection: Connection) -> str:
    return str(connection.call("GET", "/api/tenant")[1]["id"])


def _mail(sender: str) -> dict[str, str]:
    return {
        "from": sender,
        "to": "ann@example.com",
        "subject": "Bench",
        "html": "<p>Hello Ann</p>",
        "text": "Hello",
    }


def _lone(connection: Connection, sender: str, database: Path, *, emails: int) -> Iterator[Sample]:
    """One email at a time: from the request to the sandbox's journal, on the database's clock."""
    sent = []
    for _ in range(emails):
        status, answer = connection.call("POST", "/api/emails", _mail(sender))
        if status != 200:
            raise RuntimeError(answer)
        time.sleep(0.03)
        sent.append(answer["id"])
    time.sleep(1)
    waits = _waits(database, sent)
    yield Sample(row=f"{LONE_SENT}, p50", value=percentile(waits, 0.5), unit="ms")
    yield Sample(row=f"{LONE_SENT}, p99", value=percentile(waits, 0.99), unit="ms")


def _waits(database: Path, ids: list[str]) -> list[float]:
    keys = [identifier.replace("-", "") for identifier in ids]
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as rows:
        found = rows.execute(
            f"""SELECT (julianday(a.ended_at) - julianday(m.created_at)) * 86400000
                  FROM emails_message m
                  JOIN emails_delivery d ON d.message_id = m.id
                  JOIN emails_attempt a ON a.delivery_id = d.id AND a.outcome = 'sent'
                 WHERE m.id IN ({",".join("?" * len(keys))})""",
            keys,
        ).fetchall()
    if len(found) != len(keys):
        raise RuntimeError(f"{len(keys) - len(found)} emails were not sent")
    return [row[0] for row in found]


def _many(url: str, key: str, sender: str, database: Path, *, each: int) -> Iterator[Sample]:
    """Everybody at once, until the last one is sent."""
    before, emails = _sent(database), CLIENTS * each
    started = time.perf_counter()
    taken, accepting = crowd(CLIENTS, each, lambda: Connection(url, key), _mail(sender))
    while _sent(database) < before + emails:
        time.sleep(0.05)
    whole = time.perf_counter() - started
    yield Sample(row=f"{CLIENTS} clients, accepted", value=emails / accepting, unit="/s")
    yield Sample(row=MANY_SENT, value=emails / whole, unit="/s")
    yield Sample(row=f"{CLIENTS} clients, accept, p50", value=percentile(taken, 0.5) * 1000, unit="ms")
    yield Sample(row=f"{CLIENTS} clients, accept, p99", value=percentile(taken, 0.99) * 1000, unit="ms")
    yield Sample(row=MANY_MAX, value=max(taken) * 1000, unit="ms")


def _sent(database: Path) -> int:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as rows:
        return int(rows.execute("SELECT count(*) FROM emails_delivery WHERE state = 'sent'").fetchone()[0])
