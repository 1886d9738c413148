"""Mail as SES took it, and the simulated fate of its recipients."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import uuid4


class Kind(StrEnum):
    """Which content the request carried; `bulk` is one entry of SendBulkEmail."""

    SIMPLE = "simple"
    RAW = "raw"
    TEMPLATE = "template"
    BULK = "bulk"


class Fate(StrEnum):
    """What becomes of a recipient: the local part before `+`, as at SES's mailbox simulator.

    `softbounce` and all after `suppressionlist` are ours: SES's simulator has no such addresses.
    """

    SUCCESS = "success"
    BOUNCE = "bounce"
    OOTO = "ooto"
    COMPLAINT = "complaint"
    SUPPRESSION_LIST = "suppressionlist"
    SOFT_BOUNCE = "softbounce"
    REJECT = "reject"
    RENDERING_FAILURE = "renderingfailure"
    DELAY = "delay"
    OPEN = "open"
    CLICK = "click"
    UNSUBSCRIBE = "unsubscribe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One accepted mail. Addresses are as given, display names included; `headers` are those of the mail.

    `html` and `text` are kept of mail that SES composes; `missing` names the template variable without a value that
    keeps it from being sent.
    """

    ses_id: str
    accepted_at: datetime
    kind: Kind
    source: str
    to: Sequence[str]
    cc: Sequence[str]
    bcc: Sequence[str]
    headers: Sequence[tuple[str, str]] = field(repr=False)
    tags: Mapping[str, str]
    configuration_set: str
    template: str = ""
    access_key: str = ""
    reply_to: Sequence[str] = ()
    html: str | None = field(default=None, repr=False)
    text: str | None = field(default=None, repr=False)
    missing: str = ""

    @property
    def destination(self) -> list[str]:
        """Everybody it goes to, in the order To, Cc, Bcc."""
        return [*self.to, *self.cc, *self.bcc]


def new_ses_id(region_code: str = "0102") -> str:
    """A message id in SES's shape: region, milliseconds, a random UUID, a counter (0102 is eu-west-1)."""
    return f"{region_code}{time.time_ns() // 1_000_000:012x}-{uuid4()}-000000"


def bare_address(mailbox: str) -> str:
    """`Ann <ann@example.com>` -> `ann@example.com`, also where the display name holds anything odd."""
    return mailbox.rpartition("<")[2].rstrip("> \t").lstrip() if mailbox.endswith(">") else mailbox.strip()


def fate_of(mailbox: str) -> Fate:
    """What the simulator does with this recipient; addresses it does not know are delivered."""
    local = bare_address(mailbox).partition("@")[0].partition("+")[0].lower()
    try:
        return Fate(local)
    except ValueError:
        return Fate.SUCCESS
