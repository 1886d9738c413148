"""The port through which mail leaves: what a transport is given and what it must answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Literal, Protocol
from uuid import UUID

from emails.composition.envelope import Envelope


class ErrorClass(StrEnum):
    """Why a hand-over did not end in a receipt. Everything but `DOUBT` is provably not sent."""

    THROTTLED = "throttled"  # the provider's rate limit
    QUOTA = "quota"  # the provider's daily quota
    PAUSED = "paused"  # sending paused for the account or configuration set
    AUTH = "auth"  # credentials or configuration refused
    IDENTITY = "identity"  # the sender's identity is not verified at the provider
    CONTENT = "content"  # this mail is refused, for good
    NETWORK = "network"  # lost before the request was written
    DOUBT = "doubt"  # written, and the answer lost: it may have been sent
    BUG = "bug"  # our own error before the call


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportError:
    """The provider did not take the mail, or we cannot know. `code` and `message` are the provider's words.

    `ours`: the provider was not even asked, so it says nothing about the account.
    """

    kind: ErrorClass
    code: str
    message: str
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The provider took the mail; `provider_message_id` is its name for it.

    `refused` maps the addresses for which it provably did not take it to the reason, never a doubt. The others have it.
    """

    provider_message_id: str
    refused: Mapping[str, TransportError] = field(default_factory=dict)


Answer = Receipt | TransportError

# What settles a doubt: `recall` answers; only the provider's events can; nobody can, so after a grace it is sent again.
DoubtRule = Literal["ask", "events", "grace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptKey:
    """Names one journalled attempt."""

    delivery_id: UUID
    fence: int


class Transport(Protocol):
    """An adapter to one provider account. One instance per process and account, shared by its threads.

    `plan` splits a batch into calls, each of which becomes exactly one request to the provider;
    `send` makes one such call and never raises: one answer per envelope, in order. A transport
    that can tell later what it accepted says so in `recall`; one that cannot answers None.
    `doubt_rule` says what settles the doubt about a lost answer, `touches_database` that its calls are to be made in
    the thread that owns the database connection.
    """

    doubt_rule: ClassVar[DoubtRule]
    touches_database: ClassVar[bool]

    def plan(self, envelopes: Sequence[Envelope]) -> Sequence[Sequence[Envelope]]: ...

    def send(self, call: Sequence[Envelope], *, deadline: float) -> Sequence[Answer]:
        """Hand over; `deadline` (time.monotonic seconds) bounds the whole call."""
        ...

    def recall(self, attempts: Sequence[AttemptKey]) -> Mapping[AttemptKey, Receipt] | None:
        """What was accepted of these attempts; those missing in the answer were provably not."""
        ...

    def check(self) -> TransportError | None:
        """Connect and authenticate, send nothing; None when all is well."""
        ...

    def max_send_rate(self) -> float | None:
        """Mails a second that the provider allows the account; None where it does not say."""
        ...

    def close(self) -> None: ...


class Transports(Protocol):
    """Where a worker finds the transport of a lane."""

    def get(self, transport_id: UUID) -> Transport:
        """The adapter of this account; raises `Misconfigured`."""
        ...


class Misconfigured(Exception):
    """The account's settings do not make a transport; the words are for operators."""
