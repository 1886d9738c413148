"""Where links of a tenant's mail lead: to its tracking host, or to this installation. And whose links a host serves."""

import threading
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import Error

from emails.tracking.links import Addressee, Links, OwnLinks
from mailgrid.core.cache import KEPT_SECONDS, BriefCache
from mailgrid.core.logging import get_logger
from tenants.tenancy.selectors import tracking_hosts
from tenants.tenancy.settings import TenantSettings

log = get_logger(__name__)

Hosts = Mapping[str, frozenset[UUID]]


def links() -> Links:
    """The links of this installation. Their secret is that of API keys: it stays the same as long as these must."""
    return _links(settings.KEY_PEPPER)


@lru_cache(maxsize=2)
def _links(secret: str) -> Links:
    return Links(secret)


def own_links(whose: Addressee, of_tenant: TenantSettings) -> OwnLinks:
    """The links of one recipient's copy."""
    base = base_url(of_tenant)
    return OwnLinks(links=links(), whose=whose, base=base, origins=(base, settings.PUBLIC_URL))


def base_url(of_tenant: TenantSettings) -> str:
    """The origin with which links in a tenant's mail begin."""
    return f"https://{of_tenant.tracking_host}" if of_tenant.tracking_host else str(settings.PUBLIC_URL)


def serves(host: str, tenant_id: UUID) -> bool:
    """Whether links of a tenant work at this host (the request's Host): everywhere but at tracking hosts of others."""
    name = _name(host)
    if name == urlsplit(settings.PUBLIC_URL).hostname:
        return True
    owners = _known.hosts().get(name)
    return owners is None or tenant_id in owners


def _name(host: str) -> str:
    """A Host without its port, in lower case."""
    name, bracket, _ = host.rpartition("]")
    return (name + bracket if bracket else host.partition(":")[0]).rstrip(".").lower()


class _KnownHosts:
    """All tracking hosts, a few seconds old; older while the database is away, and none before it was there.

    Nobody waits for somebody else's look: a click goes on with what is known.
    """

    def __init__(self) -> None:
        self._fresh: BriefCache[str, Hosts] = BriefCache(seconds=KEPT_SECONDS, size=1)
        self._last: Hosts = {}
        self._looking = threading.Lock()

    def hosts(self) -> Hosts:
        """By name, the tenants whose host it is."""
        if (fresh := self._fresh.get("")) is not None:
            return fresh
        if self._looking.acquire(blocking=False):
            try:
                self._last = tracking_hosts()
            except Error as error:
                log.warning("tracking.hosts.unknown", error=str(error))
            finally:
                self._looking.release()
            self._fresh.put("", self._last)
        return self._last


_known: Final = _KnownHosts()
