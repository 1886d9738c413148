"""How far a key reaches, and so what it may hand on to another key. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Self, TypeAlias

from mailgrid.core.callers import ADMIN
from tenants.keys.scopes import beyond

Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Scopes, `from` domains and source networks (None: all), and whether live rows are reached."""

    scopes: frozenset[str] = frozenset({ADMIN})
    domains: frozenset[str] | None = None
    networks: tuple[Network, ...] | None = None
    live: bool = True

    @classmethod
    def of(cls, key: Any) -> Self:
        """The reach of an `ApiKey` row."""
        return cls(
            scopes=frozenset(key.scopes),
            domains=None if key.allowed_domains is None else frozenset(key.allowed_domains),
            networks=None if key.allowed_ips is None else networks(key.allowed_ips),
            live=not key.test,
        )

    def lacks(self, other: "Reach") -> str | None:
        """Why `other` goes further than this, as a sentence; None when it does not."""
        if other.live and not self.live:
            return "A test key cannot make or change live keys."
        if missing := beyond(self.scopes, other.scopes):
            return f"This key does not have the scope {min(missing)} itself."
        if not _within_domains(other.domains, self.domains):
            return "This key is not allowed all of these domains itself."
        if not _within_networks(other.networks, self.networks):
            return "This key is not allowed all of these networks itself."
        return None


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and CIDR networks as networks; raises ValueError."""
    return tuple(ip_network(text, strict=False) for text in texts)


def _within_domains(inner: frozenset[str] | None, outer: frozenset[str] | None) -> bool:
    return outer is None or (inner is not None and inner <= outer)


def _within_networks(inner: tuple[Network, ...] | None, outer: tuple[Network, ...] | None) -> bool:
    if outer is None:
        return True
    return inner is not None and all(any(_inside(network, other) for other in outer) for network in inner)


def _inside(network: Network, other: Network) -> bool:
    return network.version == other.version and network.subnet_of(other)  # type: ignore[arg-type]
