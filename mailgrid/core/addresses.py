"""E-mail addresses: read what people write, compare what machines mean. Pure.

The grammar is that of RFC 5322 3.4 without groups, comments, routes and domain literals, which no sender
needs and every parser reads differently. Names beyond ASCII travel as encoded words (RFC 2047).
"""

import re
from dataclasses import dataclass

import idna

from mailgrid.core.encoded_words import CONTROL, UnreadableWord, decode_words, encode_words

MAX_LOCAL = 64  # RFC 5321 4.5.3.1.1
MAX_ADDRESS = 254  # RFC 5321 4.5.3.1.3: a path of 256 octets, less its angle brackets
MAX_NAME = 256
_MAX_TEXT = 4_000  # a name of MAX_NAME characters of four octets each, as encoded words, and an address

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_ATOM = rf"{_ATOM}(?:\.{_ATOM})*"
# Without < > @ " and \: a reader that splits a quoted local part there would see another address.
_QUOTED_LOCAL = r'"[ !#-;=?A-\[\]-~]+"'
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = rf"(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}"

_PLAIN_ADDRESS = re.compile(rf"(?!.*[@.]..--)(?=[^@]{{1,{MAX_LOCAL}}}@)({_DOT_ATOM})@({_DOMAIN})")
_LOCAL_PART = re.compile(rf"{_DOT_ATOM}|{_QUOTED_LOCAL}")
_ASCII_DOMAIN = re.compile(_DOMAIN)
_WIRE_ADDRESS = re.compile(rf"(?:{_DOT_ATOM}|{_QUOTED_LOCAL})@{_DOMAIN}")

_QUOTED_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"')
_NAME_SYNTAX = re.compile(r'[<>()@,;:"\\]')
_NAME_OF_ATOMS = re.compile(rf"{_ATOM}(?: {_ATOM})*")


class InvalidAddress(ValueError):
    """The text is not one address we can send to or from; the message is for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """One address with its display name (RFC 5322 `mailbox`).

    `address` has its domain in lower case as an A-label, so that equal mailboxes compare equal.
    """

    address: str
    name: str = ""

    def __str__(self) -> str:
        return self.formatted()

    @property
    def domain(self) -> str:
        """What follows the `@`, in lower case, as an A-label."""
        return self.address.rpartition("@")[2]

    def formatted(self) -> str:
        """The mailbox as a header field holds it: one line of ASCII, the name quoted or encoded at need.

        Raises InvalidAddress when a part that `parse_mailbox` has not seen could be read as something else.
        """
        if not _WIRE_ADDRESS.fullmatch(self.address):
            raise InvalidAddress("The address cannot be written in a header.")
        if not self.name:
            return self.address
        if CONTROL.search(self.name):
            raise InvalidAddress("The display name contains a control character.")
        return f"{_written_name(self.name)} <{self.address}>"

    def readable(self) -> str:
        """The mailbox as people write it, the name in its own letters; `parse_mailbox` reads it back."""
        if not self.name or "=?" in self.name:  # what looks encoded would be decoded
            return self.formatted()
        if not _NAME_SYNTAX.search(self.name):
            return f"{self.name} <{self.address}>"
        escaped = self.name.replace("\\", r"\\").replace('"', r"\"")
        return f'"{escaped}" <{self.address}>'


def parse_mailbox(text: str) -> Mailbox:
    """Read `a@b` or `Name <a@b>`. Raises InvalidAddress; the name's encoded words are decoded first."""
    if plain := _plain_address(text):
        return Mailbox(address=plain)
    _refuse_control(text)
    name, address = _split(text.strip(" "))
    return Mailbox(address=parse_address(address), name=_read_name(name.strip(" ")))


def parse_address(text: str) -> str:
    """Read a bare `a@b` and return it with its domain normalised. Raises InvalidAddress."""
    if plain := _plain_address(text):
        return plain
    _refuse_control(text)
    local, at, domain = text.strip(" ").rpartition("@")
    if not at:
        raise InvalidAddress("An address must have the form name@example.com.")
    address = f"{_read_local(local)}@{_read_domain(domain)}"
    if len(address) > MAX_ADDRESS:
        raise InvalidAddress(f"An address has at most {MAX_ADDRESS} characters.")
    return address


def _plain_address(text: str) -> str | None:
    """The common case: nothing to decode and nothing to convert but the case of the domain."""
    found = _PLAIN_ADDRESS.fullmatch(text)
    if found is None or len(text) > MAX_ADDRESS or "=?" in text:
        return None
    return f"{found[1]}@{found[2].lower()}"


def _refuse_control(text: str) -> None:
    if len(text) > _MAX_TEXT:
        raise InvalidAddress(f"An address has at most {MAX_ADDRESS} characters, its name {MAX_NAME}.")
    if CONTROL.search(text):
        raise InvalidAddress("An address must not contain line breaks or other control characters.")


def _split(text: str) -> tuple[str, str]:
    if not text.endswith(">"):
        return "", text
    name, bracket, address = text[:-1].rpartition("<")
    if not bracket:
        raise InvalidAddress("The address has a closing angle bracket without an opening one.")
    return name, address


def _read_name(text: str) -> str:
    if quoted := _QUOTED_NAME.fullmatch(text):
        text = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _NAME_SYNTAX.search(text):
        raise InvalidAddress(
            "Give one address per string, as name@example.com or Name <name@example.com>; "
            'a display name with punctuation goes in double quotes: "Name, Inc." <name@example.com>.'
        )
    try:
        name = decode_words(text).strip(" ")
    except UnreadableWord as error:
        raise InvalidAddress("The display name contains an encoded word that cannot be decoded.") from error
    if CONTROL.search(name):
        raise InvalidAddress("The display name contains an encoded control character.")
    if len(name) > MAX_NAME:
        raise InvalidAddress(f"A display name has at most {MAX_NAME} characters.")
    return name


def _read_local(local: str) -> str:
    if not local.isascii():
        raise InvalidAddress("The part before the @ must be ASCII: providers do not take others.")
    if len(local) > MAX_LOCAL:
        raise InvalidAddress(f"The part before the @ has at most {MAX_LOCAL} characters.")
    if "=?" in local:  # some readers decode it even here (RFC 2047 5 forbids it), and see another address
        raise InvalidAddress("The part before the @ must not contain an encoded word.")
    if not _LOCAL_PART.fullmatch(local):
        raise InvalidAddress("The part before the @ is empty or has characters that are not allowed there.")
    # Quotes around what needs none are the same address (RFC 5321 4.1.2) and must compare equal.
    bare = local.strip('"')
    return bare if re.fullmatch(_DOT_ATOM, bare) else local


def _read_domain(domain: str) -> str:
    """The domain in lower case, each label an A-label (RFC 5890)."""
    if not _ASCII_DOMAIN.fullmatch(domain) or "--" in domain:
        domain = _a_labels(domain)
    if not _ASCII_DOMAIN.fullmatch(domain):
        raise InvalidAddress("The part after the @ must be a domain name with a dot, such as example.com.")
    return domain.lower()


def _a_labels(domain: str) -> str:
    # idna itself and not email-validator, which refuses every special-use name (RFC 6761), `.test` included.
    if len(domain) > MAX_ADDRESS:
        raise InvalidAddress(f"An address has at most {MAX_ADDRESS} characters.")
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise InvalidAddress("The part after the @ is not a valid domain name.") from error


def _written_name(name: str) -> str:
    if _NAME_OF_ATOMS.fullmatch(name) and "=?" not in name:
        return name
    # A literal "=?" is encoded too: a reader would decode it a second time.
    if name.isascii() and "=?" not in name:
        return '"' + name.replace("\\", r"\\").replace('"', r"\"") + '"'
    return encode_words(name)
