"""The cast: acme sends, globex is another tenant, initech is paused. And how to drive Mailgrid without processes."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pytest
from django.test import Client
from django.test.client import ClientHandler

from emails.delivery import breaking, claim
from mailgrid.core.bells import Priority
from mailgrid.core.cache import forget_everything
from mailgrid.core.callers import ADMIN
from mailgrid.core.clock import now
from mailgrid.core.ratelimit import limiter
from tenants.audit.services import SYSTEM
from tenants.domains.services import add_verified
from tenants.keys.services import NewKey, issue
from tenants.models import Tenant
from tenants.quotas.counters import counters
from tenants.tenancy import services as tenancy


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """A tenant of the cast with its keys (`admin` scope) and a verified domain."""

    tenant: Tenant
    key: str
    test_key: str
    domain: str

    @property
    def sender(self) -> str:
        """An address it may send from."""
        return f"Cast <cast@{self.domain}>"


def make_actor(name: str, *, operator: bool = False) -> Actor:
    """A new tenant with everything it needs to send."""
    tenant = tenancy.create_tenant(
        values={"name": name.title(), "slug": name}, operator=operator, actor=SYSTEM, now=now()
    )
    domain = add_verified(tenant_id=tenant.pk, name=f"{name}.test", actor=SYSTEM, now=now()).name
    keys = [
        issue(
            tenant_id=tenant.pk,
            new=NewKey(name=f"{name} {test}", scopes=frozenset({ADMIN}), test=test),
            by=SYSTEM,
            now=now(),
        )[1]
        for test in (False, True)
    ]
    return Actor(tenant=tenant, key=keys[0], test_key=keys[1], domain=domain)


class Api:
    """An HTTP client with a key: `api(acme).post("/api/emails", {...})`."""

    def __init__(self, key: str | None) -> None:
        self._client = Client(raise_request_exception=False)
        self._client.handler = _handler()
        self._headers = {} if key is None else {"authorization": f"Bearer {key}"}

    def get(self, path: str, params: dict[str, Any] | None = None, **headers: str) -> Any:
        return self._client.get(path, params or {}, headers=self._headers | _named(headers))

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("PATCH", path, body, **headers)

    def put(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("PUT", path, body, **headers)

    def delete(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.send("DELETE", path, body, **headers)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Any method; a `bytes` body goes out as it is."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._client.generic(
            method, path, data, content_type="application/json", headers=self._headers | _named(headers)
        )


@lru_cache(maxsize=1)
def _handler() -> ClientHandler:
    """One for all clients: each new one would load every middleware again."""
    return ClientHandler(enforce_csrf_checks=False)


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


class Work:
    """The workers' side, run by hand: nothing happens until a test says so."""

    def __init__(self) -> None:
        from workers.adapters.ses_envelopes import SesEnvelopes
        from workers.transports.registry import Registry

        self.transports = Registry()
        self.envelopes = SesEnvelopes()
        self.pool = ThreadPoolExecutor(4)

    def deliver(self, *priorities: Priority) -> dict[str, int]:
        """Send what is due; what happened, by outcome."""
        from emails.delivery.services import deliver

        total: dict[str, int] = {}
        for priority in priorities or tuple(Priority):
            for word, count in deliver(priority=priority, transports=self.transports, pool=self.pool).items():
                total[word] = total.get(word, 0) + count
        return total

    def sweep(self, at: Any = None) -> dict[str, int]:
        """One pass of the sweep, now or at another time."""
        from emails.delivery.sweep import sweep

        return dict(sweep(transports=self.transports, now=at or now()))

    def ingest(self) -> dict[str, int]:
        """Work off stored notifications."""
        from emails.feedback.ingest import ingest

        return dict(ingest(envelopes=self.envelopes, clock=now))

    def everything(self) -> None:
        """Sweep, deliver, ingest: what a running Mailgrid does all the time."""
        self.sweep()
        self.deliver()
        self.ingest()


@pytest.fixture(autouse=True)
def _fresh_process() -> None:
    """Caches and buckets of the process do not outlive a test."""
    forget_everything()
    breaking._unreached.clear()
    claim._suspect_last.clear()
    counters.cache_clear()
    limiter.__globals__["_limiter"].cache_clear()


@pytest.fixture
def acme(db: None) -> Actor:
    """Sends."""
    return make_actor("acme")


@pytest.fixture
def globex(db: None) -> Actor:
    """Another tenant, that must never see acme's things."""
    return make_actor("globex")


@pytest.fixture
def initech(db: None) -> Actor:
    """Paused."""
    actor = make_actor("initech")
    tenancy.pause(tenant_id=actor.tenant.pk, actor=SYSTEM, now=now())
    return actor


@pytest.fixture
def operator(db: None) -> Actor:
    """Runs the installation."""
    return make_actor("operator", operator=True)


@pytest.fixture
def api() -> Callable[..., Api]:
    """`api(acme)`, `api(acme.test_key)`, `api(None)`."""
    return lambda who: Api(who.key if isinstance(who, Actor) else who)


@pytest.fixture
def work() -> Iterator[Work]:
    """Workers by hand."""
    worker = Work()
    yield worker
    worker.pool.shutdown()
    worker.transports.close()


@pytest.fixture
def mail(acme: Actor) -> dict[str, Any]:
    """A mail that can be sent."""
    return {"from": acme.sender, "to": "ann@example.com", "subject": "Hello", "html": "<p>Hello Ann</p>"}
