"""Same key, same request: same answer, and nothing done twice.

The record is written in the transaction of the work it names. So a plain request has no "running" row: whoever comes
second waits on the unique index and then reads the first one's answer.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import IntegrityError, transaction

from mailgrid.core.errors import MailgridError
from mailgrid.core.models import IdempotencyRecord
from mailgrid.core.sql import delete_oldest


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
    record = _rows(name).filter(expires_at__gt=now).values_list("request_hash", "status", "body").first()
    if record is None:
        return None
    request_hash, status, body = record
    if request_hash != name.request_hash:
        raise OtherRequest("This idempotency key was used for a different request.")
    return Answer(status, bytes(body))


def claim(name: Name, *, now: datetime, expires_at: datetime) -> bool:
    """Take the name, inside the transaction of the work; False when somebody else has it."""
    _rows(name).filter(expires_at__lte=now).delete()
    try:
        with transaction.atomic():
            IdempotencyRecord.objects.create(
                tenant_id=name.tenant_id,
                test=name.test,
                route=name.route,
                key=name.key,
                request_hash=name.request_hash,
                created_at=now,
                expires_at=expires_at,
            )
    except IntegrityError:
        return False
    return True


def keep(name: Name, answer: Answer) -> None:
    """Store the answer under the claimed name, in the same transaction."""
    _rows(name).update(status=answer.status, body=answer.body)


def delete_expired(*, now: datetime, limit: int = 2000) -> int:
    """Forget answers whose time is over; how many."""
    return delete_oldest(IdempotencyRecord.objects.filter(expires_at__lte=now), limit=limit)


def _rows(name: Name) -> Any:
    return IdempotencyRecord.objects.filter(
        tenant_id=name.tenant_id, test=name.test, route=name.route, key=name.key
    )
