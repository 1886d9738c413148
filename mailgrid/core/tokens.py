"""Short signed tokens for links: what a link says, and that we said it. They carry no secret and never expire. Pure.

A token is base64url without padding (RFC 4648 5) of a payload and the first 16 bytes of its HMAC-SHA256 (RFC 2104 5
allows to cut it). Each purpose has a key of its own, derived from the server's secret, so that a token of one purpose
opens nothing else.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from typing import Final

MAC_BYTES: Final = 16
_DIGEST: Final = "sha256"


class BadToken(ValueError):
    """The text is no token of this purpose: damaged, made up, or made under another secret."""


class Signer:
    """Makes and reads the tokens of one purpose. Safe for threads."""

    def __init__(self, secret: str, *, purpose: str) -> None:
        self._key = hmac.digest(secret.encode(), f"mailgrid token: {purpose}".encode(), _DIGEST)

    def sign(self, payload: bytes) -> str:
        """The token that says `payload`; equal payloads give equal tokens."""
        return urlsafe_b64encode(payload + self._mac(payload)).rstrip(b"=").decode("ascii")

    def read(self, token: str) -> bytes:
        """What a token of ours says; raises `BadToken`. One payload has one spelling."""
        signed = _decoded(token)
        payload, mac = signed[:-MAC_BYTES], signed[-MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload)):
            raise BadToken("The token is not signed by us.")
        return payload

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self._key, payload, _DIGEST)[:MAC_BYTES]


def _decoded(token: str) -> bytes:
    """The bytes of a token; Python's decoder alone skips what is not in the alphabet, and ignores left-over bits."""
    try:
        text = token.encode("ascii")
        decoded = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except (UnicodeEncodeError, Error):
        raise BadToken("The token is not base64url.") from None
    if urlsafe_b64encode(decoded).rstrip(b"=") != text:
        raise BadToken("The token is not base64url as we write it.")
    return decoded
