"""What is sent and never kept: codes of digits, and the tokens of links."""

import secrets
from uuid import UUID

from mailgrid.core.crypto import keyed_hash

CODE_DIGITS = 6
MAX_TRIES = 5  # in all: of a million codes they guess one in 200,000
TOKEN_BYTES = 32


def new_code(digits: int) -> str:
    """A number of so many digits, drawn evenly, zeros in front kept."""
    return f"{secrets.randbelow(10**digits):0{digits}d}"


def new_token() -> str:
    """Nobody guesses it: 256 bits, in letters that a path may hold."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_of_code(verification_id: UUID, code: str) -> str:
    """Bound to its verification: equal codes have different hashes."""
    return keyed_hash(f"verification-code:{verification_id}:{code}")


def hash_of_token(token: str) -> str:
    """By which a link's row is found."""
    return keyed_hash(f"verification-link:{token}")


def hash_of_address(address: str) -> str:
    """By which verifications of an address are counted, without keeping it."""
    return keyed_hash(f"verification-address:{address.lower()}")
