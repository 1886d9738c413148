"""The adapter of each provider account, opened once per process and again when its row changes."""

import re
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

from emails.delivery.ports import Misconfigured, Transport
from emails.transports.models import Transport as TransportRow
from emails.transports.selectors import full_settings
from emails.transports.settings import SesSettings, SmtpSettings
from mailgrid.core.crypto import CannotDecrypt
from workers.dialing import dialer
from workers.transports.memory import MemoryTransport
from workers.transports.sandbox import SandboxTransport
from workers.transports.ses import SesTransport
from workers.transports.smtp import SmtpTransport
from workers.transports.smtp_account import SmtpAccount

FRESH_SECONDS: Final = 5.0  # how long a process may use an account's old settings


class Registry:
    """Adapters by account. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[UUID, tuple[Transport, datetime, float]] = {}

    def get(self, transport_id: UUID) -> Transport:
        """The adapter of this account; raises `Misconfigured`."""
        with self._lock:
            known = self._open.get(transport_id)
            if known and time.monotonic() - known[2] < FRESH_SECONDS:
                return known[0]
            return self._refreshed(transport_id, known)

    def _refreshed(self, transport_id: UUID, known: tuple[Transport, datetime, float] | None) -> Transport:
        row = TransportRow.across_tenants.get(pk=transport_id)
        if known and known[1] == row.updated_at:
            adapter = known[0]
        else:
            adapter = build(row)
            if known:
                known[0].close()  # its idle connections; calls that are under way end well
        self._open[transport_id] = (adapter, row.updated_at, time.monotonic())
        return adapter

    def close(self) -> None:
        """Close every adapter."""
        with self._lock:
            for adapter, _, _ in self._open.values():
                adapter.close()
            self._open.clear()


def build(row: TransportRow) -> Transport:
    """A new adapter for an account; raises `Misconfigured`."""
    try:
        return _BUILDERS[row.kind](row)
    except KeyError:
        raise Misconfigured(f"Transport {row.name}: kind {row.kind} is not available.") from None
    except (CannotDecrypt, ValueError) as error:
        raise Misconfigured(f"Transport {row.name}: {error}") from error


def _ses(row: TransportRow) -> Transport:
    account = full_settings(row)
    if not isinstance(account, SesSettings):
        raise Misconfigured(f"Transport {row.name} has no SES settings.")
    return SesTransport(
        region=account.region,
        access_key_id=account.access_key_id,
        secret_access_key=account.secret_access_key,
        role_arn=account.role_arn,
        external_id=str(row.tenant_id) if row.tenant_id else None,
        endpoint_url=account.endpoint_url,
        configuration_set=account.configuration_set,
        pool_size=settings.SEND_THREADS,
        # An endpoint of one's own leads wherever its name server says today; Amazon's may lead into one's own network.
        dial=dialer(settings.UNSAFE_HOSTS) if account.endpoint_url else None,
    )


def _smtp(row: TransportRow) -> Transport:
    account = full_settings(row)
    if not isinstance(account, SmtpSettings):
        raise Misconfigured(f"Transport {row.name} has no SMTP settings.")
    return SmtpTransport(
        SmtpAccount(
            host=account.host,
            port=account.port,
            tls=account.tls,
            username=account.username,
            password=account.password,
            allowed_hosts=settings.UNSAFE_HOSTS,
            hello=_own_name(),
        ),
        name=str(row.pk),
        pool_size=settings.SEND_THREADS,
    )


def _own_name() -> str:
    """The name by which the internet knows this installation; nothing where it has none."""
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    return host if _FULL_NAME.fullmatch(host) else ""


_FULL_NAME: Final = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9-]{1,63}\.)+[a-z][a-z0-9-]{0,62}")

_BUILDERS: Final[dict[str, Callable[[TransportRow], Transport]]] = {
    TransportRow.Kind.SES: _ses,
    TransportRow.Kind.SMTP: _smtp,
    TransportRow.Kind.SANDBOX: lambda row: SandboxTransport(transport_id=row.pk),
    TransportRow.Kind.MEMORY: lambda _row: MemoryTransport(),
}
