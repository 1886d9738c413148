"""The Idempotency-Key header: find the kept answer, or do the work and keep its answer in the same transaction."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError, transaction
from django.http import HttpResponse
from rest_framework.request import Request

from mailgrid.core import failpoints, idempotency
from mailgrid.core.callers import Caller
from mailgrid.core.locks import sqlstate, until_done
from mailgrid.http.answers import encode

KEPT = timedelta(days=7)
DEDUPED = timedelta(hours=24)  # how long an identical body counts as a repeat, where a tenant asks for it
_LOCK_NOT_AVAILABLE = "55P03"  # PostgreSQL: the first request still holds the index entry after lock_timeout


def name_of(
    request: Request, caller: Caller, route: str, body: Any, *, dedupe: bool
) -> idempotency.Name | None:
    """What identifies this request, or None when nothing asks for it. Without a key nothing is hashed."""
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None and not dedupe:
        return None
    request_hash = idempotency.hash_request(body, request.META.get("HTTP_X_BATCH_VALIDATION", ""))
    return idempotency.Name(
        tenant_id=caller.tenant_id,
        test=caller.test,
        route=route,
        key=idempotency.check_key(key) if key is not None else f"identical:{request_hash}",
        request_hash=request_hash,
    )


def replay(name: idempotency.Name, *, now: datetime) -> HttpResponse | None:
    """The kept answer as a response, or None."""
    kept = idempotency.stored_answer(name, now=now)
    if kept is None:
        return None
    response = HttpResponse(kept.body, status=kept.status, content_type="application/json")
    response["Idempotent-Replayed"] = "true"
    return response


def run_once(
    name: idempotency.Name,
    work: Callable[[], dict[str, Any]],
    *,
    status: int,
    now: datetime,
    deduped: bool,
) -> HttpResponse:
    """The answer of `work`, which runs in the transaction that keeps it; that of whoever came first, if somebody did.

    Only answers whose transaction committed are kept: an error leaves no trace, so a retry runs anew.
    """
    kept_for = DEDUPED if deduped else KEPT
    body = until_done(lambda: _run_and_keep(name, work, status=status, now=now, kept_for=kept_for))
    if body is None:  # somebody else was first and has committed
        kept = replay(name, now=now)
        if kept is None:
            raise idempotency.StillRunning("A request with this idempotency key is still running.")
        return kept
    return HttpResponse(body, status=status, content_type="application/json")


def _run_and_keep(
    name: idempotency.Name,
    work: Callable[[], dict[str, Any]],
    *,
    status: int,
    now: datetime,
    kept_for: timedelta,
) -> bytes | None:
    try:
        with transaction.atomic():
            if not idempotency.claim(name, now=now, expires_at=now + kept_for):
                return None
            body = encode(work())
            idempotency.keep(name, idempotency.Answer(status, body))
            failpoints.reach("accept.before_commit")
        failpoints.reach("accept.after_commit")
        return body
    except OperationalError as error:
        if sqlstate(error) == _LOCK_NOT_AVAILABLE:
            raise idempotency.StillRunning("A request with this idempotency key is still running.") from error
        raise
