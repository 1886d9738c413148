"""What a User-Agent says of itself. Pure.

Names of browsers, mail programs and robots come from ua-parser, a list that is kept up to date; what it does not know,
because it is about mail, stands here.
"""

from enum import StrEnum
from functools import lru_cache
from typing import Final

from ua_parser import parse

MAX_LENGTH: Final = 512  # characters that are looked at, and kept


class Agent(StrEnum):
    """What fetched an image or followed a link, by its own words."""

    PERSON = "person"  # a browser or a mail program
    PRIVACY_PROXY = "privacy_proxy"  # fetches every image for its user, whether the mail is read or not
    IMAGE_PROXY = "image_proxy"  # fetches an image when its user looks at the mail
    PREFETCHER = "prefetcher"  # fetches what nobody has looked at yet
    SCANNER = "scanner"  # looks for malware and phishing
    ROBOT = "robot"  # crawls, or draws previews
    PROGRAM = "program"  # a library or tool, with nobody in front of it
    SILENT = "silent"  # says nothing
    STRANGER = "stranger"  # says nothing that is known


# Apple's Mail Privacy Protection since iOS 15 sends these words and no more.
_PRIVACY_PROXY: Final = "mozilla/5.0"
# Gmail fetches images of some mail ahead under the name of an Edge of 2015, with these words behind it.
_PREFETCHER: Final = "edge/12.246 mozilla/5.0"
_IMAGE_PROXIES: Final = ("googleimageproxy", "yahoomailproxy")
# Names under which gateways and their makers fetch what they look at.
_SCANNERS: Final = (
    *(
        "barracuda",
        "proofpoint",
        "mimecast",
        "ironport",
        "cisco secure",
        "ciscosecure",
        "talos",
        "messagelabs",
    ),
    *("symantec", "trendmicro", "trend micro", "sophos", "forcepoint", "websense", "fortinet", "fortimail"),
    *(
        "fireeye",
        "trellix",
        "mcafee",
        "kaspersky",
        "bitdefender",
        "zscaler",
        "netskope",
        "check point",
        "avanan",
    ),
    *(
        "virustotal",
        "urlscan",
        "safebrowsing",
        "safe browsing",
        "google-safety",
        "microsoft defender",
        "safelinks",
    ),
    *(
        "cloudmark",
        "cyren",
        "vadesecure",
        "hornetsecurity",
        "spamhaus",
        "phishtank",
        "urlquery",
        "abnormal security",
    ),
)
_DRIVEN: Final = frozenset({"HeadlessChrome", "PhantomJS", "Selenium", "Puppeteer", "Electron"})
# Libraries in which apps that people hold in their hands are written, too.
_AMBIGUOUS: Final = frozenset({"okhttp", "CFNetwork"})


@lru_cache(maxsize=4_096)
def agent_of(user_agent: str) -> Agent:
    """The kind of thing that calls itself so."""
    text = user_agent.strip().lower()
    if not text:
        return Agent.SILENT
    if text == _PRIVACY_PROXY:
        return Agent.PRIVACY_PROXY
    for words, agent in (
        ((_PREFETCHER,), Agent.PREFETCHER),
        (_SCANNERS, Agent.SCANNER),
        (_IMAGE_PROXIES, Agent.IMAGE_PROXY),
    ):
        if any(word in text for word in words):
            return agent
    return _parsed(user_agent)


def _parsed(user_agent: str) -> Agent:
    found = parse(user_agent)
    family = found.user_agent.family if found.user_agent else ""
    if family in _DRIVEN:
        return Agent.PROGRAM
    if found.device is not None and found.device.family == "Spider":
        return Agent.ROBOT
    if not family or family in _AMBIGUOUS:
        return Agent.STRANGER
    return Agent.PERSON if found.os is not None else Agent.PROGRAM
