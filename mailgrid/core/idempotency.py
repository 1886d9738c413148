"""Same key, same request: same answer, and nothing done twice.

The record is written in the transaction of the work it names. So a plain request has no "running" row: whoever comes
second waits on the unique index and then reads the first one's answer.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from mailgrid.core.errors import MailgridError
from mailgrid.core.ids import uuid7
from mailgrid.core.models import IdempotencyRecord
from mailgrid.core.sql import adapted, delete_oldest, run


class InvalidKey(MailgridError):
    """The key header is empty, too long, or not printable ASCII."""

    name = "invalid_idempotency_key"


class OtherRequest(MailgridError):
    """The key was used for a request with another content."""

    name = "invalid_idempotent_request"


class StillRunning(MailgridError):
    """The first request under this key has not finished."""

    name = "concurrent_idempotent_requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What identifies a request: who asked, where, under which key, and what exactly."""

    tenant_id: UUID
    test: bool
    route: str
    key: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored answer, byte for byte."""

    status: int
    body: bytes


def check_key(text: str) -> str:
    """The key, if it is 1 to 256 printable ASCII characters; raises `InvalidKey`."""
    if not 1 <= len(text) <= 256 or not (text.isascii() and text.isprintable()):
        raise InvalidKey("Idempotency-Key must be 1 to 256 printable ASCII characters.")
    return text


def hash_request(body: Any, *extra: str) -> str:
    """SHA-256 of a canonical request: sorted keys, no spacing."""
    canonical = orjson.dumps([body, *extra], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).hexdigest()


def stored_answer(name: Name, *, now: datetime) -> Answer | None:
    """The answer kept under this name, or None; raises `OtherRequest`."""
    (moment,) = adapted(IdempotencyRecord, "expires_at", [now])
    rows = run(
        f"SELECT request_hash, status, body FROM core_idempotencyrecord WHERE {_NAMED} AND expires_at > %s",
        [*_named(name), moment],
    )
    if not rows:
        return None
    request_hash, status, body = rows[0]
    if request_hash != name.request_hash:
        raise OtherRequest("This idempotency key was used for a different request.")
    return Answer(status, bytes(body))


def claim(name: Name, *, now: datetime, expires_at: datetime) -> bool:
    """Take the name, inside the transaction of the work; False when somebody else has it.

    Waits for whoever is taking it at the same time. A name whose time is over is free.
    """
    (id_,) = adapted(IdempotencyRecord, "id", [uuid7()])
    times = adapted(IdempotencyRecord, "expires_at", [now, expires_at])
    taken = run(
        f"""INSERT INTO core_idempotencyrecord AS kept ({", ".join(_COLUMNS)})
            VALUES ({", ".join(["%s"] * len(_COLUMNS))})
            ON CONFLICT (tenant_id, test, route, key) DO UPDATE SET {_ANEW}
             WHERE kept.expires_at <= excluded.created_at RETURNING id""",
        [id_, *_named(name), name.request_hash, 0, b"", *times],
    )
    return bool(taken)


def keep(name: Name, answer: Answer) -> None:
    """Store the answer under the claimed name, in the same transaction."""
    run(
        f"UPDATE core_idempotencyrecord SET status = %s, body = %s WHERE {_NAMED}",
        [answer.status, answer.body, *_named(name)],
    )


def delete_expired(*, now: datetime, limit: int = 2000) -> int:
    """Forget answers whose time is over; how many."""
    return delete_oldest(IdempotencyRecord.objects.filter(expires_at__lte=now), limit=limit)


_NAMED: Final = "tenant_id = %s AND test = %s AND route = %s AND key = %s"
_COLUMNS: Final = (
    "id",
    "tenant_id",
    "test",
    "route",
    "key",
    "request_hash",
    "status",
    "body",
    "created_at",
    "expires_at",
)
_ANEW: Final = ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS)


def _named(name: Name) -> list[Any]:
    """Parameters of `_NAMED`."""
    return [*adapted(IdempotencyRecord, "tenant_id", [name.tenant_id]), name.test, name.route, name.key]
