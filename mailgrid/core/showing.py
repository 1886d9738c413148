"""How the console writes values: words as badges, times in UTC to the second, JSON that people can read."""

import json
from datetime import datetime
from typing import Any, Final

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

NOTHING: Final = mark_safe('<span class="mg-none">–</span>')

_GOOD = "ok sent delivered verified active applied usable enabled on accepted"
_BAD = (
    "failed bounced rejected complained unknown expired refused unreadable suspended closed revoked gone exhausted"
    " quarantined"
)
_CARE = "deferred held in_doubt delivery_delayed paused suppressed unsubscribed ignored disabled"
_ONGOING = "scheduled queued sending pending processing started"
_TONES: Final = {
    word: tone
    for tone, words in {"good": _GOOD, "bad": _BAD, "care": _CARE, "ongoing": _ONGOING}.items()
    for word in words.split()
}


def tone(word: str) -> str:
    """The colour of a status, event type or outcome: good, bad, care, ongoing, or plain."""
    return _TONES.get(word.removeprefix("email."), "plain")


def badge(word: str) -> SafeString:
    """A word of the vocabulary as a small coloured label; a dash for none."""
    if not word:
        return NOTHING
    return format_html(
        '<span class="mg-badge mg-{}">{}</span>', tone(word), word.removeprefix("email.").replace("_", " ")
    )


def cut(text: str) -> SafeString:
    """A text of any length on one line; the whole of it shows when pointed at."""
    return format_html('<span class="mg-cut" title="{}">{}</span>', text, text)


def mode(test: bool) -> SafeString:
    """Live or test."""
    return format_html(
        '<span class="mg-badge mg-{}">{}</span>', *(("plain", "test") if test else ("ongoing", "live"))
    )


def moment(at: datetime | None) -> SafeString:
    """A time, in UTC, to the second."""
    if at is None:
        return NOTHING
    return format_html(
        '<time class="mg-time" datetime="{}">{}</time>', at.isoformat(), at.strftime("%Y-%m-%d %H:%M:%S")
    )


def pretty(value: Any) -> SafeString:
    """JSON in lines, or text that is JSON; a dash for nothing."""
    if value in (None, "", {}, []):
        return NOTHING
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return format_html('<pre class="mg-code">{}</pre>', value)
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    return format_html('<pre class="mg-code">{}</pre>', text)


def link(model: str, pk: object, text: object) -> SafeString:
    """A link to the page of a row; `model` is `app_name`."""
    return format_html(
        '<a class="mg-link" href="{}">{}</a>', reverse(f"admin:{model}_change", args=[pk]), text
    )


def flat(detail: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Names and values of a nested object, without what is empty, for a list of facts."""
    lines: list[tuple[str, str]] = []
    for name, value in detail.items():
        if isinstance(value, dict):
            lines += flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            lines += flat({str(place): item for place, item in enumerate(value)}, f"{prefix}{name}.")
        elif value not in (None, ""):
            shown = value.strftime("%Y-%m-%d %H:%M:%S") if isinstance(value, datetime) else str(value)
            lines.append((f"{prefix}{name}", shown))
    return lines
