"""Tenants with keys, a client that speaks JSON, and a process that forgets between tests."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from django.test import Client

from mailgrid.core import clock, ratelimit
from tenants.audit.models import AuditEntry
from tenants.audit.services import SYSTEM, chained_hash
from tenants.keys import access
from tenants.keys.models import ApiKey
from tenants.keys.services import NewKey, issue
from tenants.quotas import counters
from tenants.tenancy.models import Tenant
from tenants.tenancy.services import create_tenant

UNKNOWN_ID = "01970000-0000-7000-8000-000000000000"


class Counted:
    """What the database would say was accepted since a moment, and who asked."""

    answers: dict[datetime, int] = {}
    asked: list[tuple[UUID, datetime]] = []


def count_accepted(tenant_id: UUID, since: datetime) -> int:
    """The `QUOTA_COUNTER` of these tests."""
    Counted.asked.append((tenant_id, since))
    return Counted.answers.get(since, 0)


class Caller:
    """One key's view of the API."""

    def __init__(self, token: str | None, **extra: Any) -> None:
        self.token = token
        self._client = Client(raise_request_exception=False)
        self._extra = extra

    def get(self, route: str, **extra: Any) -> Any:
        return self._call("GET", route, None, extra)

    def post(self, route: str, body: Any = None, **extra: Any) -> Any:
        return self._call("POST", route, body, extra)

    def patch(self, route: str, body: Any, **extra: Any) -> Any:
        return self._call("PATCH", route, body, extra)

    def delete(self, route: str, **extra: Any) -> Any:
        return self._call("DELETE", route, {}, extra)

    def _call(self, method: str, route: str, body: Any, extra: dict[str, Any]) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        credentials = {} if self.token is None else {"HTTP_AUTHORIZATION": f"Bearer {self.token}"}
        return self._client.generic(
            method,
            f"/api{route}",
            data,
            content_type="application/json",
            **{**credentials, **self._extra, **extra},
        )


def forget_everything() -> None:
    """A fresh process: full buckets, no counts, no memory of keys used."""
    ratelimit._limiter.cache_clear()
    counters.counters.cache_clear()
    access._used._kept.clear()
    Counted.answers, Counted.asked = {}, []


def make_tenant(name: str, *, operator: bool = False, **values: Any) -> Tenant:
    return create_tenant(values={"name": name, **values}, actor=SYSTEM, operator=operator, now=clock.now())


def make_key(tenant: Tenant, *scopes: str, test: bool = False, **fields: Any) -> tuple[ApiKey, str]:
    new = NewKey(name="key", scopes=frozenset(scopes or {"admin"}), test=test, **fields)
    return issue(tenant_id=tenant.id, new=new, by=SYSTEM, now=clock.now())


def caller_for(tenant: Tenant, *scopes: str, test: bool = False, **fields: Any) -> Caller:
    return Caller(make_key(tenant, *scopes, test=test, **fields)[1])


def refusal(response: Any) -> tuple[int, str]:
    """Status and name of an error answer."""
    body = response.json()
    assert body["statusCode"] == response.status_code
    assert body["request_id"] == response["X-Request-Id"]
    return response.status_code, body["name"]


def blamed(response: Any) -> list[tuple[str, str]]:
    """The fields to blame and why."""
    assert response.status_code == 422, response.content
    return [(item["field"], item["code"]) for item in response.json()["errors"]]


def trail(tenant: Tenant) -> list[AuditEntry]:
    """The tenant's audit entries, after checking that their hashes chain without a gap."""
    entries = list(AuditEntry.across_tenants.filter(tenant=tenant).order_by("seq"))
    previous = ""
    for place, entry in enumerate(entries, start=1):
        assert entry.seq == place
        assert entry.hash == chained_hash(entry, previous)
        previous = entry.hash
    return entries


def last_entry(tenant: Tenant) -> tuple[str, str, str]:
    """Who did what to which, of the newest entry."""
    entry = trail(tenant)[-1]
    return entry.actor_type, entry.action, entry.target_id
