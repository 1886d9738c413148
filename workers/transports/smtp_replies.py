"""What an SMTP server says: its replies, what it offers, and what a refusal proves. Pure.

RFC 5321 4.2 (replies), 1870 (SIZE), 2920 (PIPELINING), 3207 (STARTTLS), 3463 (enhanced codes), 4954 (AUTH).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from emails.delivery.ports import ErrorClass, TransportError

MAX_REPLY_BYTES: Final = 16 * 1024
_WORDS_LIMIT = 1_000
_ID_LIMIT = 200

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ :]+|$)")


class BadReply(Exception):
    """What came is no reply, or too much of one."""


class Stage(StrEnum):
    """What was said that is being answered."""

    CONNECT = "connect"
    HELLO = "hello"
    TLS = "tls"
    LOGIN = "login"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: its code, and the text of its lines without control characters."""

    code: int
    lines: tuple[str, ...]

    @property
    def is_positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_refusal(self) -> bool:
        return self.code >= 400

    @property
    def enhanced(self) -> str:
        """The enhanced status code of the same class, such as 5.1.1; or nothing."""
        found = _ENHANCED.match(self.lines[0])
        return found[1] if found and found[1][0] == str(self.code)[0] else ""

    @property
    def words(self) -> str:
        """All lines in one, without the enhanced codes at their beginnings."""
        return " ".join(
            _ENHANCED.sub("", line, count=1) if _ENHANCED.match(line) else line for line in self.lines
        )


@dataclass(frozen=True, slots=True)
class Offers:
    """What the server says it can do. `size` is the largest mail in bytes, None without a limit."""

    pipelining: bool = False
    starttls: bool = False
    takes_size: bool = False
    size: int | None = None
    mechanisms: frozenset[str] = frozenset()


def read_line(line: bytes) -> tuple[int, bool, str]:
    """The code of one line of a reply, whether it is the last one, and its text. Raises `BadReply`."""
    found = _LINE.fullmatch(line.rstrip(b"\r\n"))
    if found is None:
        raise BadReply("The server's answer is no SMTP reply.")
    text = _CONTROL.sub(" ", (found[3] or b"").decode("utf-8", "replace"))
    return int(found[1]), found[2] != b"-", text


def read_offers(reply: Reply) -> Offers:
    """What the lines of an answer to EHLO offer."""
    offered: dict[str, str] = {}
    for line in reply.lines[1:]:
        # `AUTH=` is how servers wrote it before there was a standard.
        name, _, parameters = line.strip().upper().replace("AUTH=", "AUTH ", 1).partition(" ")
        offered[name] = f"{offered.get(name, '')} {parameters}".strip()
    size = offered.get("SIZE", "")
    return Offers(
        pipelining="PIPELINING" in offered,
        starttls="STARTTLS" in offered,
        takes_size="SIZE" in offered,
        size=int(size) or None if re.fullmatch(r"[0-9]{1,18}", size, re.ASCII) else None,
        mechanisms=frozenset(offered.get("AUTH", "").split()),
    )


# How servers begin a sentence that says more than its code. Only the beginning counts, behind the address that some
# put first: further on the words may be a tenant's, and a tenant must not be able to decide about the account.
_ABOUT = r"(?:<[^<>]*>[:.]* ?|\S+@\S+?\.{3} ?)?(?:(?:\S+ )?error: |smtp; )?"
_BY_WORDS: Final = tuple(
    (re.compile(f"{_ABOUT}(?:{words})", re.IGNORECASE), kind)
    for words, kind in (
        (r"(?:throttling failure: )?daily [a-z ]*(?:quota|limit)", ErrorClass.QUOTA),
        (r"(?:message rejected: )?sending (?:suspended|paused)", ErrorClass.PAUSED),
        (r"throttl|too (?:many|much|fast)|rate limit|slow down", ErrorClass.THROTTLED),
        (r"(?:maximum|message|sending|submission)[a-z ]* rate", ErrorClass.THROTTLED),
        (r"(?:you )?(?:must|need to) (?:first )?(?:authenticate|log ?in|issue)", ErrorClass.AUTH),
        (r"auth(?:entication)? (?:is )?(?:required|needed)", ErrorClass.AUTH),
        (r"relay(?:ing)? (?:access )?(?:denied|not)|unable to relay", ErrorClass.AUTH),
        (r"(?:service unavailable; )?client host", ErrorClass.AUTH),
        (r"sender address rejected|message rejected: email address is not verified", ErrorClass.IDENTITY),
    )
)

_AUTH_CODES = frozenset({432, 530, 534, 535, 538})
_BY_ENHANCED: Final = {
    "4.4.5": ErrorClass.THROTTLED,  # congestion
    "4.5.3": ErrorClass.THROTTLED,  # too many recipients in one mail: the others go at once
    "5.5.3": ErrorClass.THROTTLED,
    "4.7.28": ErrorClass.THROTTLED,  # mail flood
    "5.1.7": ErrorClass.IDENTITY,  # the sender's mailbox
    "5.1.8": ErrorClass.IDENTITY,  # the sender's domain
    "5.2.252": ErrorClass.IDENTITY,  # Exchange: send as denied
    "5.7.60": ErrorClass.IDENTITY,  # the same
    "5.7.8": ErrorClass.AUTH,
    "5.7.9": ErrorClass.AUTH,
    "5.7.11": ErrorClass.AUTH,
    "5.7.13": ErrorClass.AUTH,
    "5.7.14": ErrorClass.AUTH,
    "5.7.54": ErrorClass.AUTH,  # Exchange: relaying
}
_BEFORE_MAIL = frozenset({Stage.CONNECT, Stage.HELLO, Stage.TLS, Stage.LOGIN})
_SENDER_CODES = frozenset({550, 551, 553, 554})


def classify(reply: Reply, stage: Stage) -> ErrorClass:
    """What a refusal (4xx or 5xx, provably not sent) says about the next try.

    A server's first words come before its enhanced code, and that before the plain one. What is left of 4xx is
    `NETWORK`, whose waits grow: greylisting or a full disk need minutes, and `THROTTLED` would come back every five
    seconds. What is left of 5xx refuses us before there was a mail, the sender at MAIL FROM, else this mail.
    """
    for pattern, kind in _BY_WORDS:
        if pattern.match(reply.words):
            return kind
    if reply.code in _AUTH_CODES:
        return ErrorClass.AUTH
    if by_enhanced := _BY_ENHANCED.get(reply.enhanced):
        return by_enhanced
    if reply.code < 500 or reply.code == 503:  # 503: the two of us do not agree about where we are
        return ErrorClass.NETWORK
    if stage in _BEFORE_MAIL:
        return ErrorClass.AUTH
    return _refused_for_good(reply, stage)


def _refused_for_good(reply: Reply, stage: Stage) -> ErrorClass:
    if stage is Stage.SENDER and reply.code in _SENDER_CODES:
        about_us = reply.enhanced.startswith(("5.1.", "5.7.")) or not reply.enhanced
        return ErrorClass.IDENTITY if about_us else ErrorClass.CONTENT
    # RFC 5321 4.5.3.1.10: older servers say so when they mean 452, too many recipients.
    if stage is Stage.RECIPIENT and reply.code == 552 and not reply.enhanced:
        return ErrorClass.NETWORK
    return ErrorClass.CONTENT


def refusal(reply: Reply, stage: Stage) -> TransportError:
    """The refusal as the port's error, in the server's words."""
    code = f"{reply.code} {reply.enhanced}".strip()
    words = reply.words.strip()[:_WORDS_LIMIT]
    return TransportError(
        kind=classify(reply, stage), code=code, message=words or f"SMTP {code} without words"
    )


_NAME = rf"([!-;=?-~]{{1,{_ID_LIMIT}}}?)"
_QUEUE_IDS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"queued (?:mail )?(?:as|with id):? <?{_NAME}(?=[\s<>;,)]|$)",  # Postfix, Stalwart
        rf"\bid[= ]<?{_NAME}(?=[\s<>;,)]|$)",  # Exim
        r"\bInternalId=([0-9]+)",  # Exchange
        r"message queued \(([0-9A-F.-]{8,80})\)",  # Haraka
        r"^OK\s+[0-9]+ (\S{8,100}) - gsmtp",  # Gmail
        r"^ok ([0-9]+ qp [0-9]+)",  # qmail
        r"^([\w.-]{8,100}) message accepted",  # Sendmail, OpenSMTPD
        r"^ok ([\w.-]{8,100})$",  # Amazon SES
    )
)


def queue_id(reply: Reply) -> str:
    """The server's name for a mail it took, where the reply to the final dot has one; else nothing."""
    words = reply.words.strip()
    return next((found[1] for pattern in _QUEUE_IDS if (found := pattern.search(words))), "")
