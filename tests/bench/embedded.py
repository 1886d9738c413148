"""Embedded mode: how soon a lone email is sent, and how many 24 clients get accepted and sent."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.client import Connection, crowd
from tests.bench.figures import Figure, percentile, resident_megabytes
from tests.live import LiveMailgrid

LONE = 200
CLIENTS = 24
EACH = 100


def figures() -> Iterator[Figure]:
    """Start a fresh Mailgrid and measure it."""
    with TemporaryDirectory() as directory, LiveMailgrid(Path(directory)) as live:
        connection = Connection(live.url, live.api_key)
        connection.call("PATCH", f"/api/tenants/{_tenant(connection)}", {"limits": _NO_LIMITS})
        database = live.var_dir / "mailgrid.sqlite3"
        yield from _lone(connection, live.sender, database)
        yield from _many(live.url, live.api_key, live.sender, database)
        yield Figure("process, resident", resident_megabytes(live.pid), "MB", "< 200")


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


def _lone(connection: Connection, sender: str, database: Path) -> Iterator[Figure]:
    """One email at a time: from the request to the sandbox's journal, on the database's clock."""
    sent = []
    for _ in range(LONE):
        status, answer = connection.call("POST", "/api/emails", _mail(sender))
        if status != 200:
            raise RuntimeError(answer)
        time.sleep(0.03)
        sent.append(answer["id"])
    time.sleep(1)
    waits = _waits(database, sent)
    yield Figure("lone email, accept to sent, p50", percentile(waits, 0.5), "ms", "< 25")
    yield Figure("lone email, accept to sent, p99", percentile(waits, 0.99), "ms")


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


def _many(url: str, key: str, sender: str, database: Path) -> Iterator[Figure]:
    """Everybody at once, until the last one is sent."""
    before = _sent(database)
    started = time.perf_counter()
    taken, accepting = crowd(CLIENTS, EACH, lambda: Connection(url, key), _mail(sender))
    while _sent(database) < before + CLIENTS * EACH:
        time.sleep(0.05)
    whole = time.perf_counter() - started
    yield Figure(f"{CLIENTS} clients, accepted", CLIENTS * EACH / accepting, "/s")
    yield Figure(f"{CLIENTS} clients, accepted and sent", CLIENTS * EACH / whole, "/s", ">= 250")
    yield Figure(f"{CLIENTS} clients, accept p50", percentile(taken, 0.5) * 1000, "ms")
    yield Figure(f"{CLIENTS} clients, accept p99", percentile(taken, 0.99) * 1000, "ms")
    yield Figure(f"{CLIENTS} clients, accept max", max(taken) * 1000, "ms", "< 500")


def _sent(database: Path) -> int:
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as rows:
        return int(rows.execute("SELECT count(*) FROM emails_delivery WHERE state = 'sent'").fetchone()[0])
