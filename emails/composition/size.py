"""How large the finished mail can become, known before it is made. Pure."""

from collections.abc import Iterable

from emails.composition.compose import base64_size, is_seven_bit, with_newlines
from mailgrid.core.addresses import Mailbox

# "Service quotas in Amazon SES": the whole message after base64 encoding.
MAX_MESSAGE_BYTES = 40 * 1024 * 1024

_FRAME = 1_024  # Message-ID, MIME-Version, Date, three levels of multipart
_FIELD = 128  # a field's name, its line end and the frame of its first encoded word
_PART = 256  # a text part's fields and boundaries
_FILE = 768  # the same with the longest content type and content id


def estimate(
    *,
    mailboxes: Iterable[Mailbox],
    subject: str,
    bodies: Iterable[str],
    headers: Iterable[tuple[str, str]],
    files: Iterable[tuple[str, int]],
) -> int:
    """An upper bound of the bytes of the composed mail.

    `mailboxes` are all that the mail shows (From, To, Cc, Reply-To), `bodies` its text and HTML, `files` the
    names of its attachments with their sizes in bytes before encoding.
    """
    return (
        _FRAME
        + sum(_written(box.name) + 2 * len(box.address) for box in mailboxes)
        + _written(subject)
        + sum(map(_body, bodies))
        + sum(_written(name) + _written(value) for name, value in headers)
        + sum(_file(name, size) for name, size in files)
    )


def _written(text: str) -> int:
    """Quoting doubles a character at most; encoded words of 64 characters hold at least 36 octets."""
    return 2 * _octets(text) + _FIELD


def _body(text: str) -> int:
    text = with_newlines(text)
    octets = _octets(text) + text.count("\n")
    return _PART + (octets if is_seven_bit(text) else base64_size(octets))


def _file(name: str, size: int) -> int:
    """A name beyond ASCII takes three characters an octet, and a third more for its continuations."""
    return _FILE + 4 * _octets(name) + base64_size(size)


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
