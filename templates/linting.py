"""What receivers and filters would mind about a template: warnings, never refusals. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from templates.markup import EXPRESSIONS, Kind, balance, pieces

GMAIL_CLIPS_AT: Final = 102 * 1024  # bytes of HTML; what comes after is hidden behind a link
UNSUBSCRIBE: Final = "unsubscribe"
_MARKETING: Final = frozenset({"marketing", "newsletter", "campaign", "promotion"})
_PLAIN_HTTP: Final = re.compile(r"\s(?:href|src|background|action)\s*=\s*[\"']?\s*http://", re.IGNORECASE)
_ALT: Final = re.compile(r"\salt\s*(?:=|\s|/?>$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Warned:
    """A code that stays the same, and a sentence."""

    code: str
    message: str


def lint(
    *,
    source: str | None,
    html: str | None,
    text: str | None,
    tags: Mapping[str, str],
    check_balance: bool = True,
) -> list[Warned]:
    """Everything worth saying about a version: `source` as written, `html` and `text` as prepared.

    Tags decide what is marketing: one that is named or set to marketing, newsletter, campaign or promotion.
    """
    return [
        *_unsubscribe(f"{html or ''} {text or ''}", tags),
        *_parts(html, text),
        *(_balance(source) if source and check_balance else ()),
        *(_elements(html) if html else ()),
    ]


def is_marketing(tags: Mapping[str, str]) -> bool:
    """Whether the tags say so."""
    return bool(_MARKETING & {word.lower() for pair in tags.items() for word in pair})


def _unsubscribe(said: str, tags: Mapping[str, str]) -> Iterator[Warned]:
    if is_marketing(tags) and UNSUBSCRIBE not in said.lower():
        yield Warned(
            "no_unsubscribe_link",
            "Marketing mail needs a visible way out: add a link to {{unsubscribe_url}}.",
        )


def _parts(html: str | None, text: str | None) -> Iterator[Warned]:
    if not text:
        yield Warned("no_text_part", "There is no text part; some readers show nothing, and filters mind.")
    size = len(html.encode()) if html else 0
    if size > GMAIL_CLIPS_AT:
        yield Warned(
            "html_clipped", f"The HTML has {size // 1024} KB before it is filled; Gmail clips at 102 KB."
        )


def _balance(source: str) -> Iterator[Warned]:
    if fault := balance(source).fault:
        yield Warned("unbalanced_tags", f"Tags do not fit together: {fault}.")


def _elements(html: str) -> Iterator[Warned]:
    tags = [
        EXPRESSIONS.sub("x", piece.text)
        for piece in pieces(html)
        if piece.kind == Kind.OPEN and "=" in piece.text
    ]
    insecure = sum(1 for tag in tags if _PLAIN_HTTP.search(tag))
    if insecure:
        yield Warned("insecure_links", f"Addresses without TLS (http://): {insecure}.")
    silent = sum(1 for tag in tags if tag[:4].lower() == "<img" and not _ALT.search(tag))
    if silent:
        yield Warned("no_alt_text", f"Pictures without alternative text (alt): {silent}.")
