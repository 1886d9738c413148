"""Secrets: keyed hashes of API keys, and authenticated encryption of what must be read back.

Encryption is AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; the id of the key stands beside every
ciphertext, so that keys can be rotated while old ones still decrypt.
"""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

_NONCE_BYTES = 12


class CannotDecrypt(Exception):
    """The key is unknown, or the ciphertext was changed."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted value and the id of the key that encrypted it."""

    key_id: str
    ciphertext: bytes


def keyed_hash(secret: str) -> str:
    """HMAC-SHA256 of a secret under the server's pepper, as hexadecimal text."""
    return hmac.new(settings.KEY_PEPPER.encode(), secret.encode(), hashlib.sha256).hexdigest()


def equal(left: str, right: str) -> bool:
    """Compare in time that does not depend on where they differ."""
    return hmac.compare_digest(left.encode(), right.encode())


def seal(plaintext: bytes, *, context: bytes) -> Sealed:
    """Encrypt under the newest key. `context` is bound to the value and must be given again to open it."""
    key_id, cipher = next(iter(_ciphers(settings.ENCRYPTION_KEYS).items()))
    nonce = os.urandom(_NONCE_BYTES)
    return Sealed(key_id, nonce + cipher.encrypt(nonce, plaintext, context))


def unseal(sealed: Sealed, *, context: bytes) -> bytes:
    """Decrypt; raises `CannotDecrypt`."""
    cipher = _ciphers(settings.ENCRYPTION_KEYS).get(sealed.key_id)
    if cipher is None:
        raise CannotDecrypt(f"encryption key {sealed.key_id!r} is not configured")
    nonce, body = sealed.ciphertext[:_NONCE_BYTES], sealed.ciphertext[_NONCE_BYTES:]
    try:
        return cipher.decrypt(nonce, body, context)
    except InvalidTag:
        raise CannotDecrypt("the stored value was changed or belongs elsewhere") from None


@lru_cache(maxsize=4)
def _ciphers(declared: tuple[str, ...]) -> dict[str, AESGCM]:
    ciphers = {}
    for entry in declared:
        key_id, _, encoded = entry.partition(":")
        ciphers[key_id] = AESGCM(base64.b64decode(encoded))
    return ciphers
