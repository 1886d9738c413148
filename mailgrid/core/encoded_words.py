"""Header text beyond ASCII: encoded words (RFC 2047), and what may not stand in a header at all. Pure."""

import binascii
import re
from collections.abc import Iterator
from functools import lru_cache

# Everything that some reader takes for the end of a line, and halves of characters, which have no UTF-8.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

# The charsets mail is written in. A closed list: Python keeps every unknown name it is asked for, for ever,
# and UTF-7 and UTF-16 hide line ends.
_CHARSET = re.compile(
    r"us-ascii|utf-8|iso-8859-\d{1,2}|windows-125\d|koi8-[ru]|gb2312|gbk|gb18030|big5|euc-jp|euc-kr"
    r"|shift_jis|iso-2022-jp|ks_c_5601-1987",
    re.IGNORECASE,
)
_WORD = re.compile(r"=\?([^?]*)\?([bq])\?(.*?)\?=", re.IGNORECASE)
_WORD_GAP = re.compile(r"(?<=\?=) +(?==\?)")
_WORD_OCTETS = 39  # 52 characters of base64: the word has 64, and fits a line of 76 behind a short field name
_Q_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/ "


class UnreadableWord(ValueError):
    """An encoded word that we cannot decode, so that nobody can say what its reader will see."""


def is_one_line(text: str) -> bool:
    """Whether neither the text nor what a reader decodes from its encoded words can end a line.

    Encoded words that cannot be decoded answer False.
    """
    if CONTROL.search(text):
        return False
    try:
        return "=?" not in text or not CONTROL.search(decode_words(text))
    except UnreadableWord:
        return False


def decode_words(text: str) -> str:
    """The text with its encoded words decoded once (RFC 2047 6.2). Raises UnreadableWord."""
    if "=?" not in text:
        return text
    # No word ends behind the last "?="; looking for one from every "=?" there would take quadratic time.
    end = text.rfind("?=") + 2
    return _WORD.sub(_decoded_word, _WORD_GAP.sub("", text[:end])) + text[end:]


@lru_cache(maxsize=1_024)
def encode_words(text: str) -> str:
    """The text as encoded words (RFC 2047 2) of at most 75 characters, one space between them.

    Raises UnicodeEncodeError, a ValueError, for surrogates.
    """
    octets = text.encode()
    specials = len(octets.translate(None, _Q_SAFE))
    if 6 * specials <= len(octets):  # where three characters for each special are fewer than base64's third
        return " ".join(f"=?utf-8?q?{piece}?=" for piece in _q_pieces(text))
    return " ".join(f"=?utf-8?b?{piece}?=" for piece in _b_pieces(octets))


def _decoded_word(word: re.Match[str]) -> str:
    charset = word[1].partition("*")[0]  # RFC 2231 5 lets a language follow
    if not _CHARSET.fullmatch(charset):
        raise UnreadableWord(f"unknown charset {charset[:40]!r}")
    try:
        payload = word[3].encode("ascii")
        is_base64 = word[2] in "bB"
        octets = binascii.a2b_base64(payload + b"==") if is_base64 else binascii.a2b_qp(payload, header=True)
        return octets.decode(charset)
    except (LookupError, ValueError) as error:
        raise UnreadableWord("malformed encoded word") from error


def _b_pieces(octets: bytes) -> Iterator[str]:
    """Base64 of stretches that never cut a character in two (RFC 2047 5)."""
    start = 0
    while start < len(octets):
        end = start + _WORD_OCTETS
        while end < len(octets) and octets[end] & 0xC0 == 0x80:
            end -= 1
        yield binascii.b2a_base64(octets[start:end], newline=False).decode("ascii")
        start = end


def _q_pieces(text: str) -> Iterator[str]:
    """The Q encoding in stretches that never cut a character in two."""
    piece = ""
    for character in text:
        token = _q_token(character)
        if len(piece) + len(token) > 52:
            yield piece
            piece = ""
        piece += token
    yield piece


def _q_token(character: str) -> str:
    if character == " ":
        return "_"
    octets = character.encode()
    return character if octets in _Q_SAFE else "".join(f"={octet:02X}" for octet in octets)
