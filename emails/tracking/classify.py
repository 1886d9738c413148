"""Who opened or clicked: a person, a proxy for one, a scanner, or nobody can say. Pure.

Signs of a machine come first, then what the User-Agent says. A guess, and shown with its reason; both counts are kept.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from emails.tracking.agents import Agent, agent_of
from mailgrid.core.vocabulary import HitClass

TOO_SOON_SECONDS: Final = 2.0  # nobody reads a mail before it is there, and few within moments
NEAR_SECONDS: Final = 2.0
MANY_LINKS: Final = 3  # of one mail within NEAR_SECONDS; a person follows one, perhaps two


class Reason(StrEnum):
    """Why a hit has its class."""

    PREFETCHED = "prefetched"  # the caller says that nobody asked for it yet
    TOO_SOON = "too_soon"  # before or within moments of the delivery
    MANY_LINKS = "many_links"  # one after the other, faster than anybody reads
    SECURITY_SCANNER = "security_scanner"
    ROBOT = "robot"
    PROGRAM = "program"  # a library or tool
    IMAGE_PROXY = "image_proxy"  # Gmail's, Yahoo's: somebody looked at the mail
    PRIVACY_PROXY = "privacy_proxy"  # Apple's: somebody may have
    USER_AGENT = "user_agent"  # a browser or mail program
    NO_USER_AGENT = "no_user_agent"
    UNFAMILIAR = "unfamiliar"  # a User-Agent that is on no list


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is known of a hit. `since_delivery` is in seconds, None where no delivery is known.

    `links_nearby` counts the different links that the same recipient followed within `NEAR_SECONDS`, this one too.
    """

    click: bool
    user_agent: str
    prefetched: bool = False
    since_delivery: float | None = None
    links_nearby: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """The class of a hit, and why."""

    kind: HitClass
    reason: Reason


_BY_AGENT: Final = {
    Agent.PERSON: Verdict(HitClass.HUMAN, Reason.USER_AGENT),
    Agent.PRIVACY_PROXY: Verdict(HitClass.PROXY, Reason.PRIVACY_PROXY),
    Agent.IMAGE_PROXY: Verdict(HitClass.PROXY, Reason.IMAGE_PROXY),
    Agent.PREFETCHER: Verdict(HitClass.SCANNER, Reason.PREFETCHED),
    Agent.SCANNER: Verdict(HitClass.SCANNER, Reason.SECURITY_SCANNER),
    Agent.ROBOT: Verdict(HitClass.SCANNER, Reason.ROBOT),
    Agent.PROGRAM: Verdict(HitClass.SCANNER, Reason.PROGRAM),
    Agent.SILENT: Verdict(HitClass.UNKNOWN, Reason.NO_USER_AGENT),
    Agent.STRANGER: Verdict(HitClass.UNKNOWN, Reason.UNFAMILIAR),
}


def classify(seen: Circumstances) -> Verdict:
    """The class of one hit."""
    by_agent = _BY_AGENT[agent_of(seen.user_agent)]
    if by_agent.kind == HitClass.SCANNER:
        return by_agent
    if seen.prefetched:
        return Verdict(HitClass.SCANNER, Reason.PREFETCHED)
    if seen.links_nearby >= MANY_LINKS:
        return Verdict(HitClass.SCANNER, Reason.MANY_LINKS)
    if seen.since_delivery is not None and seen.since_delivery < TOO_SOON_SECONDS:
        return Verdict(HitClass.SCANNER, Reason.TOO_SOON)
    if seen.click and by_agent.kind == HitClass.PROXY:  # proxies fetch images, and follow no links
        return Verdict(HitClass.UNKNOWN, Reason.UNFAMILIAR)
    return by_agent


def says_prefetch(*purposes: str) -> bool:
    """Whether one of the headers Purpose, Sec-Purpose, X-Purpose and X-Moz says that nobody asked for it yet."""
    return any(
        word in purpose.lower() for purpose in purposes for word in ("prefetch", "preview", "prerender")
    )
