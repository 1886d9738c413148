"""Which hosts a tenant may name: public ones, judged by how they are written. Pure.

A name is resolved only where the connection is made, and there `is_public` judges every address it resolves
to. Here everything is refused that is an address in disguise (numbers in any notation but the usual one), a
name that never leads out (RFC 6761, RFC 8375), or a URL that two readers would read differently. The operator
lists exceptions.
"""

import re
from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

MAX_URL: Final = 2_048
HTTPS_PORTS: Final = frozenset({443, 8443})
WEB_PORTS: Final = HTTPS_PORTS | {80}

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{4,253}}\Z)(?:{_LABEL}\.)+{_LABEL}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_GRAPHIC = re.compile(r"[!-~]+")

_NEVER_PUBLIC = tuple(
    f".{name}"
    for name in (
        *("localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan"),
        *("home.arpa", "in-addr.arpa", "ip6.arpa", "invalid", "onion", "alt"),
    )
)

# What `ipaddress` of Python 3.11 takes for global though it is not for us (IANA special-purpose registries).
_SPECIAL_4 = tuple(IPv4Network(net) for net in ("192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4"))
_GLOBAL_UNICAST = IPv6Network(
    "2000::/3"
)  # leaves out mapped, NAT64 (64:ff9b::/96), local and multicast addresses
_SPECIAL_6 = tuple(
    IPv6Network(net)
    for net in (
        "2001::/23",  # Teredo and other protocol assignments
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: any IPv4 address in disguise
        "3fff::/20",  # documentation
    )
)


class ForbiddenHost(ValueError):
    """A host that must not be reached; the message is for people."""


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether everybody on the internet would reach the same machine under this address."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in net for net in _SPECIAL_4)
    return address.is_global and address in _GLOBAL_UNICAST and not any(address in net for net in _SPECIAL_6)


def is_listed(host: str, allowed: Collection[str]) -> bool:
    """Whether the operator lists `host`, a name or an address, as an exception."""
    return host.lower().removesuffix(".") in {entry.strip().lower() for entry in allowed}


def check_host(host: str, *, allowed: Collection[str] = ()) -> str:
    """The host in lower case, without a trailing dot; raises `ForbiddenHost`.

    `allowed` are the operator's exceptions, names and addresses as they would be written here.
    """
    host = host.lower().removesuffix(".")
    if is_listed(host, allowed):
        return host
    if address := _address(host):
        if not is_public(address):
            raise ForbiddenHost("This address is not reachable from the internet.")
        return host
    if not _NAME.fullmatch(host):
        raise ForbiddenHost("Write a full host name in ASCII, such as mail.example.com.")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise ForbiddenHost("Write the address in its usual form.")
    if f".{host}".endswith(_NEVER_PUBLIC):
        raise ForbiddenHost("This name is not reachable from the internet.")
    return host


def check_url(url: str, *, allowed: Collection[str] = ()) -> str:
    """The URL, unchanged, if it is https on a public host; raises `ForbiddenHost`.

    A host that the operator lists may also be reached over http and on any port.
    """
    parts, port = _split(url)
    if parts.query or url.endswith("?"):
        raise ForbiddenHost("The URL must not have a query.")
    host = check_host(parts.hostname or "", allowed=allowed)
    if is_listed(host, allowed):
        return url
    if parts.scheme != "https":
        raise ForbiddenHost("Write an https URL.")
    if port not in {None, *HTTPS_PORTS}:
        raise ForbiddenHost("Only the ports 443 and 8443 may be reached.")
    return url


def check_web_url(url: str, *, allowed: Collection[str] = ()) -> str:
    """The URL, unchanged, if it leads to a public host over http or https, on a port of the web.

    Raises `ForbiddenHost`. A host that the operator lists may be reached on any port.
    """
    parts, port = _split(url)
    host = check_host(parts.hostname or "", allowed=allowed)
    if port not in {None, *WEB_PORTS} and not is_listed(host, allowed):
        raise ForbiddenHost("Only the ports 80, 443 and 8443 may be reached.")
    return url


def _split(url: str) -> tuple[SplitResult, int | None]:
    if len(url) > MAX_URL or not _GRAPHIC.fullmatch(url) or "\\" in url:
        raise ForbiddenHost(f"A URL has at most {MAX_URL} characters, all of them visible ASCII.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ForbiddenHost("This is not a URL.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ForbiddenHost("Write an https URL with a host.")
    if "@" in parts.netloc or "%" in parts.netloc:
        raise ForbiddenHost("The URL must not contain a user name or an encoded host.")
    if "#" in url:
        raise ForbiddenHost("The URL must not have a fragment.")
    return parts, port


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that `host` is in its usual notation; None for everything else."""
    try:
        return ip_address(host.removeprefix("[").removesuffix("]") if host.startswith("[") else host)
    except ValueError:
        return None
