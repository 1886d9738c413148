"""Misbehaviour on demand: which request meets which fault, and what each fault does to an answer.

A fault acts at one of three moments: before the body is read, in place of accepting (a refusal, so
provably not sent), or on the way back of the answer to mail that *was* accepted.
"""

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tests.fakes.ses.refusals import Refusal


class Mode(StrEnum):
    """Every way in which this SES can behave."""

    OK = "ok"
    THROTTLE = "throttle"
    QUOTA = "quota"
    PAUSED = "paused"
    SUSPENDED = "suspended"
    REJECTED = "rejected"
    UNVERIFIED = "unverified"
    FORBIDDEN = "forbidden"
    EXPIRED = "expired"
    NOT_FOUND = "not_found"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    UNAVAILABLE_BEFORE = "unavailable_before"
    UNAVAILABLE_AFTER = "unavailable_after"
    HANG_BEFORE = "hang_before"
    HANG_AFTER = "hang_after"
    CLOSE_BEFORE = "close_before"
    CLOSE_AFTER = "close_after"
    CLOSE_MID_RESPONSE = "close_mid_response"
    NO_MESSAGE_ID = "no_message_id"
    TRUNCATED_JSON = "truncated_json"
    SLOW_DRIP = "slow_drip"
    HUGE_ANSWER = "huge_answer"
    IDLE_CLOSE = "idle_close"


_INTERNAL = (500, "InternalFailure", "The request processing has failed because of an unknown error.")
_UNAVAILABLE = (503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server.")

REFUSALS: dict[Mode, tuple[int, str, str]] = {
    Mode.THROTTLE: (429, "TooManyRequestsException", "Maximum sending rate exceeded."),
    Mode.QUOTA: (429, "LimitExceededException", "Daily message quota exceeded."),
    Mode.PAUSED: (400, "SendingPausedException", "Sending is paused for this account."),
    Mode.SUSPENDED: (400, "AccountSuspendedException", "The account's ability to send email is suspended."),
    Mode.REJECTED: (400, "MessageRejected", "The message can't be sent because it contains invalid content."),
    Mode.UNVERIFIED: (400, "MailFromDomainNotVerifiedException", "The MAIL FROM domain isn't verified."),
    Mode.FORBIDDEN: (403, "AccessDeniedException", "User is not authorized to perform: ses:SendEmail"),
    Mode.EXPIRED: (403, "ExpiredTokenException", "The security token included in the request is expired"),
    Mode.NOT_FOUND: (404, "NotFoundException", "Configuration set does not exist."),
    Mode.ERROR_BEFORE: _INTERNAL,
    Mode.UNAVAILABLE_BEFORE: _UNAVAILABLE,
}

# Refused after the mail was taken: the answers that lie.
LIES: dict[Mode, tuple[int, str, str]] = {
    Mode.ERROR_AFTER: _INTERNAL,
    Mode.UNAVAILABLE_AFTER: _UNAVAILABLE,
}

# What a refusal is called when it strikes one entry of a bulk request (BulkEmailStatus).
ENTRY_STATUSES: dict[Mode, str] = {
    Mode.THROTTLE: "ACCOUNT_THROTTLED",
    Mode.QUOTA: "ACCOUNT_DAILY_QUOTA_EXCEEDED",
    Mode.PAUSED: "ACCOUNT_SENDING_PAUSED",
    Mode.SUSPENDED: "ACCOUNT_SUSPENDED",
    Mode.REJECTED: "MESSAGE_REJECTED",
    Mode.UNVERIFIED: "MAIL_FROM_DOMAIN_NOT_VERIFIED",
    Mode.NOT_FOUND: "CONFIGURATION_SET_NOT_FOUND",
    Mode.ERROR_BEFORE: "FAILED",
    Mode.UNAVAILABLE_BEFORE: "TRANSIENT_FAILURE",
}

ANSWER_LOST = frozenset(
    {
        Mode.ERROR_AFTER,
        Mode.UNAVAILABLE_AFTER,
        Mode.HANG_AFTER,
        Mode.CLOSE_AFTER,
        Mode.CLOSE_MID_RESPONSE,
        Mode.NO_MESSAGE_ID,
        Mode.TRUNCATED_JSON,
        Mode.SLOW_DRIP,
        Mode.HUGE_ANSWER,
    }
)

SENDING = ("SendEmail", "SendBulkEmail")


@dataclass(slots=True, kw_only=True)
class Rule:
    """One misbehaviour: `probability` per request, for the next `count` requests it strikes (None: for ever).

    `latency_ms` delays the answer. `operations` are the API operations it may strike; it strikes only
    mail of `configuration_set` when one is named, and with `per_entry` single entries of bulk requests.
    `drip_ms` is the pause between two bytes of a slow drip.
    """

    mode: Mode = Mode.OK
    probability: float = 1.0
    count: int | None = None
    latency_ms: float = 0
    operations: Sequence[str] = SENDING
    configuration_set: str | None = None
    per_entry: bool = False
    drip_ms: float = 1000

    def __post_init__(self) -> None:
        self.mode = Mode(self.mode)
        if not 0 <= self.probability <= 1:
            raise ValueError("probability is between 0 and 1")
        if self.per_entry and self.mode not in ENTRY_STATUSES:
            raise ValueError(f"{self.mode} cannot strike a single entry")

    @property
    def refusal(self) -> Refusal | None:
        """The refusal with which the whole request is answered, if it is one."""
        return Refusal(*REFUSALS[self.mode]) if self.mode in REFUSALS and not self.per_entry else None


WELL = Rule()  # no fault


class Faults:
    """The rules in force. At most one strikes a request; their probabilities add up, drawn with a seed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.replace([])

    def replace(self, rules: Sequence[Rule], *, seed: int | None = None) -> None:
        """Forget the old rules, begin the random series again."""
        with self._lock:
            self._rules = list(rules)
            self._random = random.Random(seed)

    def choose(self, operation: str) -> Rule:
        """The rule that strikes this request, or `WELL`."""
        if not self._rules:
            return WELL
        with self._lock:
            return self._draw(
                [rule for rule in self._rules if operation in rule.operations and not rule.per_entry]
            )

    def choose_for_entry(self, configuration_set: str) -> Rule:
        """The rule that strikes one entry of a bulk request, or `WELL`."""
        if not self._rules:
            return WELL
        with self._lock:
            return self._draw(
                [
                    rule
                    for rule in self._rules
                    if rule.per_entry and rule.configuration_set in (None, configuration_set)
                ]
            )

    def give_back(self, rule: Rule) -> None:
        """The rule turned out not to concern the request it was drawn for."""
        with self._lock:
            if rule.count is not None:
                rule.count += 1

    def _draw(self, rules: Sequence[Rule]) -> Rule:
        point = self._random.random()
        for rule in rules:
            if rule.count == 0:
                continue
            if point < rule.probability:
                if rule.count is not None:
                    rule.count -= 1
                return rule
            point -= rule.probability
        return WELL


def rules_from(document: dict[str, Any]) -> tuple[list[Rule], int | None]:
    """Rules and seed of a control request: one rule, or several under `rules`. Raises ValueError."""
    seed = document.pop("seed", None)
    rules = [Rule(**rule) for rule in document.pop("rules", [document])]
    return rules, seed
