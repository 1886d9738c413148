"""From an account's row to its SMTP transport, and what becomes of the old one when the row changes."""

from typing import Any

import pytest

from emails.delivery.ports import Misconfigured
from emails.transports import services
from emails.transports.models import Transport
from mailgrid.core.clock import now
from mailgrid.core.scoping import in_scope
from tenants.audit.services import SYSTEM
from tests.conftest import Actor
from workers.transports import registry
from workers.transports.registry import Registry, build
from workers.transports.smtp import SmtpTransport

pytestmark = pytest.mark.django_db

ACCOUNT = {"host": "smtp.example.com", "port": 465, "tls": "tls", "username": "me", "password": "s3cret"}


@pytest.fixture
def row(acme: Actor) -> Transport:
    with in_scope(acme.tenant.pk, test=False):
        return services.create(
            tenant_id=acme.tenant.pk,
            operator=False,
            values={"name": "main", "kind": "smtp", "settings": ACCOUNT},
            actor=SYSTEM,
            now=now(),
        ).transport


def built(row: Transport) -> SmtpTransport:
    made = build(row)
    assert isinstance(made, SmtpTransport)
    return made


def test_the_transport_has_what_the_row_says(row: Transport, settings: Any) -> None:
    settings.UNSAFE_HOSTS = frozenset({"mail.internal"})
    account = built(row)._account
    assert (account.host, account.port, account.tls) == ("smtp.example.com", 465, "tls")
    assert (account.username, account.password) == ("me", "s3cret")
    assert account.allowed_hosts == {"mail.internal"}
    assert "s3cret" not in repr(account)


@pytest.mark.parametrize(
    ("url", "hello"),
    [
        ("https://mail.example.com/", "mail.example.com"),
        ("http://127.0.0.1:8000", ""),
        ("http://[::1]:8000", ""),
        ("http://localhost:8000", ""),
        ("https://füße.example", ""),
    ],
)
def test_we_greet_with_the_name_by_which_the_internet_knows_us(
    row: Transport, settings: Any, url: str, hello: str
) -> None:
    settings.PUBLIC_URL = url
    assert built(row)._account.hello == hello


def test_secrets_that_cannot_be_opened_are_told(row: Transport) -> None:
    row.sealed_secrets = b"x" * 40
    with pytest.raises(Misconfigured, match="Transport main: "):
        build(row)


def test_a_changed_row_gets_a_new_transport_and_the_old_one_is_closed(
    row: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[SmtpTransport] = []
    monkeypatch.setattr(SmtpTransport, "close", lambda self: closed.append(self))
    monkeypatch.setattr(registry, "FRESH_SECONDS", 0.0)
    transports = Registry()
    first = transports.get(row.pk)
    assert transports.get(row.pk) is first
    row.save()
    second = transports.get(row.pk)
    assert second is not first
    assert closed == [first]
    transports.close()
    assert closed == [first, second]
