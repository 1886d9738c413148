"""The signed links of one recipient's copy of a mail. Pure.

A link names tenant and recipient by their ids and, for a click, its target: no address is in it, no table stands behind
it, and it goes on working when the content is erased. Nothing is ever read from a query.
"""

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from mailgrid.core.tokens import BadToken, Signer

OPEN: Final = "/t/o/"
CLICK: Final = "/t/c/"
UNSUBSCRIBE: Final = "/u/"
# Ours, too, and nobody's business: confirmations, magic links, downloads.
_OWN_PATHS: Final = (OPEN, CLICK, UNSUBSCRIBE, "/c/", "/v/", "/f/")

MAX_TARGET: Final = 2_048  # bytes; the link to it is a third longer, and proxies take lines of some 8,000
_VERSION: Final = b"\x01"
_ID_BYTES: Final = 16
_NAMED_BYTES: Final = len(_VERSION) + 2 * _ID_BYTES

# What every browser reads alike: no backslash, which some take for a slash; the host in ASCII, as a Location has it.
_TARGET: Final = re.compile(
    r"https?://"
    r"(?:[a-z0-9._~!$&'()*+,;=:%-]+@)?"  # user and password
    r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"
    r"(?:[/?#][^\0-\x1f\x7f-\x9f\\\u2028\u2029\ud800-\udfff]*)?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whose copy a link stands in."""

    tenant_id: UUID
    recipient_id: UUID


def is_target(url: str) -> bool:
    """Whether a click may lead there: an absolute http or https URL that cannot be read in two ways."""
    return _TARGET.fullmatch(url) is not None and len(url.encode()) <= MAX_TARGET


class Links:
    """Makes and reads links under the server's secret. Safe for threads."""

    def __init__(self, secret: str) -> None:
        self._opens = Signer(secret, purpose="open")
        self._clicks = Signer(secret, purpose="click")
        self._unsubscribes = Signer(secret, purpose="unsubscribe")

    def open_url(self, base: str, whose: Addressee) -> str:
        """The open pixel; `base` is an origin, such as `https://mail.example.com`."""
        return f"{base}{OPEN}{self._opens.sign(_named(whose))}"

    def click_url(self, base: str, whose: Addressee, target: str) -> str:
        """The way to `target` that counts a click; raises ValueError for what `is_target` refuses."""
        if not is_target(target):
            raise ValueError("A click can lead to an absolute http or https URL only.")
        return f"{base}{CLICK}{self._clicks.sign(_named(whose) + target.encode())}"

    def unsubscribe_url(self, base: str, whose: Addressee) -> str:
        """The page at which the recipient unsubscribes."""
        return f"{base}{UNSUBSCRIBE}{self._unsubscribes.sign(_named(whose))}"

    def read_open(self, token: str) -> Addressee:
        """Whose pixel it is; raises `BadToken`."""
        return _whole(self._opens.read(token))

    def read_click(self, token: str) -> tuple[Addressee, str]:
        """Whose link it is, and its target; raises `BadToken`, also for a target that no click may lead to."""
        payload = self._clicks.read(token)
        whose, rest = _read(payload)
        try:
            target = rest.decode()
        except UnicodeDecodeError:
            raise BadToken("The token holds no text.") from None
        if not is_target(target):
            raise BadToken("The token leads nowhere a click may lead.")
        return whose, target

    def read_unsubscribe(self, token: str) -> Addressee:
        """Who unsubscribes; raises `BadToken`."""
        return _whole(self._unsubscribes.read(token))


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLinks:
    """The links of one copy: `base` is the origin they begin with, `origins` all that lead to us."""

    links: Links
    whose: Addressee
    base: str
    origins: tuple[str, ...]

    def pixel(self) -> str:
        """The URL of the open pixel."""
        return self.links.open_url(self.base, self.whose)

    def unsubscribe(self) -> str:
        """What `{{unsubscribe_url}}` stands for."""
        return self.links.unsubscribe_url(self.base, self.whose)

    def click(self, target: str) -> str | None:
        """The counted way to a target that `is_target` accepts; None where it leads to us and stays as it is."""
        if any(target.startswith(one) and target.startswith(_OWN_PATHS, len(one)) for one in self.origins):
            return None
        return self.links.click_url(self.base, self.whose, target)


def _named(whose: Addressee) -> bytes:
    return _VERSION + whose.tenant_id.bytes + whose.recipient_id.bytes


def _read(payload: bytes) -> tuple[Addressee, bytes]:
    if len(payload) < _NAMED_BYTES or not payload.startswith(_VERSION):
        raise BadToken("The token is of a version we do not know.")
    tenant, recipient = payload[1 : 1 + _ID_BYTES], payload[1 + _ID_BYTES : _NAMED_BYTES]
    return Addressee(UUID(bytes=tenant), UUID(bytes=recipient)), payload[_NAMED_BYTES:]


def _whole(payload: bytes) -> Addressee:
    whose, rest = _read(payload)
    if rest:
        raise BadToken("The token says more than it should.")
    return whose
