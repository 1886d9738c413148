"""A version and a caller's values become subject, HTML and text. Pure.

Compiled programs are kept by the id of their version, which never changes. What is kept is bounded by the length of the
sources, the least recently used go first.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from templates.errors import LIMIT, TemplateRenderError
from templates.handlebars import Program, RenderError, TemplateSyntaxError, compile
from templates.variables import Declared, merged

MAX_SUBJECT: Final = 998  # characters (RFC 5322, 2.1.1)
KEPT_CHARACTERS: Final = 16_000_000  # of sources, in one process
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is compiled: the subject and the prepared parts. None is a part that the mail does not have."""

    subject: str | None
    html: str | None
    text: str | None
    variables: tuple[Declared, ...] = ()

    @property
    def length(self) -> int:
        """Characters of all sources."""
        return sum(len(part) for part in (self.subject, self.html, self.text) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """The compiled parts of a version."""

    subject: Program | None
    html: Program | None
    text: Program | None
    variables: tuple[Declared, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What goes into the mail."""

    subject: str | None
    html: str | None
    text: str | None


def compiled(content: Content) -> Programs:
    """Every part as a program; raises `TemplateRenderError` with part, line and column."""
    return Programs(
        subject=_program("subject", content.subject),
        html=_program("html", content.html),
        text=_program("text", content.text),
        variables=content.variables,
    )


def render(version: Programs, variables: Mapping[str, Any], *, provided: Mapping[str, str]) -> Rendered:
    """The mail of one message; `provided` is what Mailgrid itself merges in (`templates.variables.PROVIDED`).

    Raises `TemplateRenderError`: a value missing or of the wrong type, a helper that cannot work with it, a limit.
    """
    data = merged(version.variables, variables, provided)
    return Rendered(
        subject=_subject(version.subject, data),
        html=_part("html", version.html, data),
        text=_part("text", version.text, data),
    )


def _program(part: str, source: str | None) -> Program | None:
    if source is None:
        return None
    try:
        return compile(source, escape=part == "html")
    except TemplateSyntaxError as error:
        raise TemplateRenderError.of(error, part=part) from None


def _part(part: str, program: Program | None, data: Mapping[str, Any]) -> str | None:
    if program is None:
        return None
    try:
        return program.render(data)
    except RenderError as error:
        raise TemplateRenderError.of(error, part=part) from None


def _subject(program: Program | None, data: Mapping[str, Any]) -> str | None:
    text = _part("subject", program, data)
    if text is None:
        return None
    text = _CONTROLS.sub(" ", text).strip() if _CONTROLS.search(text) else text.strip()
    if len(text) > MAX_SUBJECT:
        raise TemplateRenderError(f"At most {MAX_SUBJECT} characters.", part="subject", code=LIMIT)
    return text


class ProgramCache:
    """Programs by version, for one process and all its threads; at most `characters` of sources."""

    def __init__(self, characters: int) -> None:
        self._most = characters
        self._held = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[UUID, tuple[Programs, int]] = OrderedDict()

    def get(self, version_id: UUID) -> Programs | None:
        """The programs of a version, if they are kept."""
        with self._lock:
            entry = self._kept.get(version_id)
            if entry is None:
                return None
            self._kept.move_to_end(version_id)
            return entry[0]

    def put(self, version_id: UUID, content: Content) -> Programs:
        """Compile and keep; one that alone is longer than the cache is compiled and forgotten."""
        programs, length = compiled(content), content.length
        with self._lock:
            if version_id not in self._kept and length <= self._most:
                self._kept[version_id] = (programs, length)
                self._held += length
                while self._held > self._most:
                    _, (_, gone) = self._kept.popitem(last=False)
                    self._held -= gone
        return programs

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._held = 0


programs: Final = ProgramCache(KEPT_CHARACTERS)
