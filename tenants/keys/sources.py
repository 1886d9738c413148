"""Where a request comes from: the peer's address, or what a trusted proxy says of it."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, TypeAlias

from django.conf import settings

from tenants.keys.reach import Network, networks

Address: TypeAlias = IPv4Address | IPv6Address


def client_ip(meta: Mapping[str, Any]) -> str:
    """The caller's address from a request's META; empty when there is none (a Unix socket).

    X-Forwarded-For is read from the right for as long as the hop that vouches for it is in `TRUSTED_PROXIES`:
    whatever stands left of the first untrusted address was written by the caller.
    """
    hop = _address(meta.get("REMOTE_ADDR", ""))
    if hop is None:
        return ""
    forwarded = str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",")
    trusted = _networks(tuple(settings.TRUSTED_PROXIES))
    while forwarded and within(hop, trusted):
        before = _address(forwarded.pop())
        if before is None:
            break
        hop = before
    return str(hop)


def within(address: Address, allowed: Iterable[Network]) -> bool:
    """Whether one of the networks contains the address."""
    return any(address in network for network in allowed)


def comes_from(ip: str, allowed: Iterable[Network]) -> bool:
    """The same for an address as text; no address is in no network."""
    address = _address(ip)
    return address is not None and within(address, allowed)


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    # A dual-stack socket shows IPv4 peers as ::ffff:192.0.2.1.
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(maxsize=4)
def _networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    return networks(texts)
