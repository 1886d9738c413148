"""Misbehaviour on demand: at which point of a session something goes wrong, and what."""

import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """Points at which the server speaks, or should."""

    CONNECT = "connect"
    HELLO = "hello"
    TLS = "tls"
    LOGIN = "login"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"
    CONTENT = "content"  # half a mail has come
    DOT = "dot"  # the whole mail has come
    BETWEEN = "between"  # NOOP and RSET


class Action(StrEnum):
    """What happens there in the place of the usual answer."""

    REPLY = "reply"  # says `text`; closes after a 421
    CUT = "cut"  # closes without a word
    HANG = "hang"  # says nothing until the client has gone
    STALL = "stall"  # does not even read
    DRIP = "drip"  # the usual answer, a byte at a time
    GARBAGE = "garbage"  # bytes that are no reply
    OVERSIZED = "oversized"  # a reply that does not end
    ENDLESS = "endless"  # a line that does not end
    TWICE = "twice"  # the usual answer, and once more
    LEAVE = "leave"  # the usual answer, then closes


@dataclass(slots=True, kw_only=True)
class Rule:
    """One misbehaviour, for the next `count` times it strikes (None: for ever).

    `address` limits it to one recipient. At the dot, mail is taken before anything goes wrong unless `taken` is false
    or `text` refuses it. `drip_ms` is the pause between two bytes.
    """

    action: Action = Action.REPLY
    stage: Stage = Stage.DOT
    text: str = ""
    count: int | None = None
    probability: float = 1.0
    address: str = ""
    taken: bool = True
    drip_ms: float = 100

    def __post_init__(self) -> None:
        self.action, self.stage = Action(self.action), Stage(self.stage)
        if self.action is Action.REPLY and not self.text[:3].isdigit():
            raise ValueError("what to reply?")

    @property
    def refuses(self) -> bool:
        """Whether the client is told no, or has to take it for one."""
        return self.action is Action.REPLY and self.text[0] not in "23"


class Faults:
    """The rules in force. The first that strikes wins."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._random = random.Random()

    def replace(self, rules: Sequence[Mapping[str, Any]], *, seed: int | None = None) -> None:
        """Forget the old rules. Raises ValueError and TypeError for what is no rule."""
        made = [Rule(**rule) for rule in rules]
        with self._lock:
            self._rules = made
            if seed is not None:
                self._random.seed(seed)

    def pick(self, stage: Stage, address: str = "") -> Rule | None:
        """The rule that strikes here and now; it is used up by one."""
        if not self._rules:
            return None
        with self._lock:
            for rule in self._rules:
                if self._strikes(rule, stage, address):
                    if rule.count is not None:
                        rule.count -= 1
                    return rule
        return None

    def _strikes(self, rule: Rule, stage: Stage, address: str) -> bool:
        return (
            rule.stage is stage
            and rule.address in ("", address)
            and rule.count != 0
            and (rule.probability >= 1 or self._random.random() < rule.probability)
        )
