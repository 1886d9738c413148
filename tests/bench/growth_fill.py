"""Existing messages, many of them, quickly: copies of one that was really sent, written by COPY.

The copies differ from the model, and from each other, in their ids, times, addresses and provider's ids; nothing else
of the tables is known here. Foreign keys are not checked meanwhile: every copy refers to its own rows.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final

import psycopg

from tests.bench.mails import SEED

_CHUNK: Final = 5_000  # messages a commit
_MONTH: Final = timedelta(days=30)  # over which they were sent
_SAMPLED: Final = 150
_TIME: Final = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?\+00"

# By table, which rows are the model's, and the columns that the database fills itself.
_OF_MESSAGE: Final = "message_id = %(model)s"
_ROWS: Final = {
    "emails_message": ("id = %(model)s", ()),
    "emails_messagecontent": (_OF_MESSAGE, ()),
    "emails_delivery": (_OF_MESSAGE, ()),
    "emails_recipient": (_OF_MESSAGE, ()),
    "emails_attempt": (f"delivery_id IN (SELECT id FROM emails_delivery WHERE {_OF_MESSAGE})", ()),
    "emails_event": (_OF_MESSAGE, ("seq", "transaction")),
}
_IDS: Final = f"""
SELECT id::text FROM emails_message WHERE id = %(model)s
 UNION ALL SELECT id::text FROM emails_delivery WHERE {_OF_MESSAGE}
 UNION ALL SELECT id::text FROM emails_recipient WHERE {_OF_MESSAGE}
 UNION ALL SELECT id::text FROM emails_attempt
            WHERE delivery_id IN (SELECT id FROM emails_delivery WHERE {_OF_MESSAGE})
 UNION ALL SELECT event_id::text FROM emails_event WHERE {_OF_MESSAGE}"""
_TEXTS: Final = """
SELECT r.address, a.provider_message_id FROM emails_recipient r JOIN emails_attempt a USING (delivery_id)
 WHERE r.message_id = %(model)s"""

_Connection = psycopg.Connection[tuple[Any, ...]]


def fill(database_url: str, *, model: str, messages: int) -> list[str]:
    """Copy the message `model` so often, and clean up; the ids of some copies."""
    with psycopg.connect(database_url, autocommit=True, options="-c timezone=UTC") as connection:
        connection.execute("SET session_replication_role = replica")
        pattern = _Pattern(connection, model)
        sampled, every = [], max(1, messages // _SAMPLED)
        for first in range(0, messages, _CHUNK):
            places = range(first, min(messages, first + _CHUNK))
            copies = [pattern.copy(place, messages) for place in places]
            sampled += [one[0] for place, one in zip(places, copies, strict=True) if place % every == 0]
            pattern.write(connection, copies)
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")
    return sampled


def size_of(database_url: str) -> int:
    """Bytes of the database, indexes included."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0])


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of COPY's text with `%s` for what differs; `places` say what of a copy's own goes there."""

    table: str
    columns: str
    text: str
    places: tuple[int, ...]


class _Pattern:
    """The model's rows. What a copy has of its own: an id for each of the model's, address, provider's id, time."""

    def __init__(self, connection: _Connection, model: str) -> None:
        values = {"model": model}
        self._ids = [row[0] for row in connection.execute(_IDS, values)]
        address, provider_id = connection.execute(_TEXTS, values).fetchall()[0]
        own = [*self._ids, address, provider_id, _TIME]
        known = {text: place for place, text in enumerate(own)}
        told_apart = re.compile("|".join([*map(re.escape, own[:-1]), _TIME]))
        self._lines = list(_lines(connection, values, told_apart, known))
        self._now = datetime.now(UTC)

    def copy(self, place: int, messages: int) -> tuple[str, ...]:
        """What the copy at this place of the month has of its own; its message's id is the first."""
        random, at = Random(SEED + place), self._now - _MONTH * (1 - place / messages)
        ids = [_uuid7(at, random) for _ in self._ids]
        return (*ids, f"customer-{place}@example.com", f"{random.getrandbits(128):032x}-000000", f"{at}")

    def write(self, connection: _Connection, copies: Sequence[tuple[str, ...]]) -> None:
        """All rows of these copies, in one commit."""
        with connection.transaction(), connection.cursor() as cursor:
            for line in self._lines:
                with cursor.copy(f"COPY {line.table} ({line.columns}) FROM STDIN") as copy:
                    copy.write(
                        "".join(line.text % tuple(one[place] for place in line.places) for one in copies)
                    )


def _lines(
    connection: _Connection, values: Mapping[str, str], own: "re.Pattern[str]", known: Mapping[str, int]
) -> Iterator[_Line]:
    for table, (which, left_out) in _ROWS.items():
        cursor = connection.execute(f"SELECT * FROM {table} LIMIT 0")
        names = [column.name for column in cursor.description or () if column.name not in left_out]
        columns = ", ".join(f'"{name}"' for name in names)
        with connection.cursor().copy(
            f"COPY (SELECT {columns} FROM {table} WHERE {which}) TO STDOUT", values
        ) as copy:
            rows = b"".join(copy).decode().splitlines()
        for row in rows:
            found = own.findall(row)
            places = tuple(known.get(text, len(known) - 1) for text in found)
            yield _Line(table, columns, own.sub("%s", row.replace("%", "%%")) + "\n", places)


def _uuid7(at: datetime, random: Random) -> str:
    """RFC 9562 5.7."""
    milliseconds = int(at.timestamp() * 1000)
    number = milliseconds << 80 | 7 << 76 | random.getrandbits(12) << 64 | 2 << 62 | random.getrandbits(62)
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
