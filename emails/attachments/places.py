"""Where an attachment is: what may stand in `path`, read and judged when a message is accepted. Pure."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from mailgrid.core.files import FileRefused
from mailgrid.core.hosts import check_web_url

MAX_KEY: Final = 1_024

_SOURCE = re.compile(r"source:([a-z0-9][a-z0-9_-]{0,62})/(.+)", re.DOTALL)
_SEGMENT = re.compile(r"[^/\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A URL, or a key in one of the tenant's sources."""

    url: str = ""
    source: str = ""
    key: str = ""

    @property
    def origin(self) -> str:
        """What may be shown of it: the rest may be a secret."""
        return f"source:{self.source}" if self.source else (urlsplit(self.url).hostname or "")

    @property
    def filename(self) -> str:
        """The last part of the path, as it would be called where none else is given; may be no name at all."""
        return (
            self.key.rpartition("/")[2]
            if self.source
            else unquote(urlsplit(self.url).path.rpartition("/")[2])
        )

    def __str__(self) -> str:
        return f"source:{self.source}/{self.key}" if self.source else self.url


def read_place(path: str, *, allowed: Collection[str]) -> Place:
    """The place that `path` names. `allowed` are the operator's exceptions for hosts.

    Raises `ForbiddenHost` for a URL that must not be called, and `FileRefused` for a key that is no path downwards.
    """
    if not path.startswith("source:"):
        return Place(url=check_web_url(path, allowed=allowed))
    found = _SOURCE.fullmatch(path)
    if found is None or len(found[2]) > MAX_KEY or not all(map(_is_step, found[2].split("/"))):
        raise FileRefused(
            "Write source:<name>/<key>, the key a path without . and .. of at most 1,024 characters."
        )
    return Place(source=found[1], key=found[2])


def below(url: str, key: str) -> str:
    """The URL of a key below that of its source, which ends in a slash."""
    return url + quote(key, safe="/")


def _is_step(segment: str) -> bool:
    return segment not in {".", ".."} and bool(_SEGMENT.fullmatch(segment))
