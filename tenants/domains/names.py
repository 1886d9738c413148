"""Domain names as they are stored and compared: lower-case A-labels. Pure."""

import re

import idna

_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
MAX_LENGTH = 253


def normalize(name: str) -> str:
    """The lower-case A-labels of a host name of two labels or more (RFC 5891, 1123); raises ValueError."""
    text = name.strip().removesuffix(".").lower()
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=True).decode()
        except idna.IDNAError:
            raise ValueError("This is not a domain name.") from None
    labels = text.split(".")
    if len(text) > MAX_LENGTH or len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("This is not a domain name.")
    if labels[-1].isdigit():  # an IPv4 address, or nothing at all
        raise ValueError("This is not a domain name.")
    return text
