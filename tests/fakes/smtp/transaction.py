"""The mail that a session is about, and what is wrong with how its content was written."""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Transaction:
    """From MAIL to the final dot. `declared` is the size that the client announced."""

    sender: str
    recipients: list[str] = field(default_factory=list)
    declared: int | None = None
    eight_bit: bool = False


def flaws(stuffed: bytes, mail: Transaction, *, size: int) -> Iterator[str]:
    """Where content, dots still doubled, breaks RFC 5321, or what was announced of it. `size` is without those dots."""
    if not mail.recipients:
        yield "content for nobody"
    lines = stuffed.split(b"\r\n")
    if not stuffed.count(b"\r\n") == stuffed.count(b"\n") == stuffed.count(b"\r"):
        yield "content with a bare CR or LF"
    if any(line.startswith(b".") and not line.startswith(b"..") for line in lines):
        yield "content with a dot that is not doubled"
    if max(map(len, lines)) > 999:
        yield "content with a line of over 998 bytes"
    if not stuffed.isascii() and not mail.eight_bit:
        yield "content of 8 bits that was not announced"
    if mail.declared not in (None, size):
        yield f"SIZE={mail.declared} for {size} bytes"
