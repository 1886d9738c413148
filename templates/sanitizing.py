"""HTML of a tenant made fit to be looked at by an operator: nothing in it acts or calls. Pure.

The first of three walls: the frame it is shown in has no scripts and no origin, and a policy lets nothing through.
"""

import re
from typing import Final

import nh3

_TAGS: Final = nh3.ALLOWED_TAGS | {
    "style",
    "font",
    "main",
    "section",
    "header",
    "footer",
    "address",
    "picture",
}
_LOOKS: Final = "style class id align valign width height bgcolor color border cellpadding cellspacing"
_MEANING: Final = "role dir lang title"
_ATTRIBUTES: Final = {
    "*": {*_LOOKS.split(), *_MEANING.split()},
    "a": {"href"},
    "img": {"src", "alt"},
    "td": {"colspan", "rowspan", "nowrap", "background"},
    "th": {"colspan", "rowspan", "nowrap", "background", "scope"},
    "font": {"face", "size", "color"},
    "ol": {"start", "type"},
}
# Old ways for a style sheet to run a program or to fetch another sheet; today's browsers know none of the first three.
_ACTIVE: Final = re.compile(
    r"expression\s*\(|javascript\s*:|vbscript\s*:|-moz-binding|behavior\s*:|@import[^;}]*", re.IGNORECASE
)
_SHEET: Final = re.compile(r"(<style[^>]*>)(.*?)(</style>)", re.IGNORECASE | re.DOTALL)
_BACKSLASHED: Final = re.compile(r"\\[0-9a-f]{1,6}\s?", re.IGNORECASE)  # `\65xpression(`
_COMMENTED: Final = re.compile(r"/\*.*?\*/", re.DOTALL)  # `expr/**/ession(`


def sanitized(html: str) -> str:
    """What is harmless of it: text, tables, pictures, links and style sheets."""
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        clean_content_tags={"script", "template", "noscript", "iframe", "object", "svg", "math", "title"},
        url_schemes={"http", "https", "mailto", "tel", "data", "cid"},
        link_rel="noopener noreferrer",
    )
    return _SHEET.sub(lambda match: f"{match[1]}{_tame(match[2])}{match[3]}", clean)


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "style":
        return _tame(value)
    if value.lstrip().lower().startswith("data:") and (tag, name) != ("img", "src"):
        return None
    return value


def _tame(css: str) -> str:
    """A style sheet without what acts, however it is spelled."""
    plain = _BACKSLASHED.sub(_character, _COMMENTED.sub("", css))
    return _ACTIVE.sub("", plain) if _ACTIVE.search(plain) else css


def _character(escape: re.Match[str]) -> str:
    number = int(escape[0][1:], 16)
    return chr(number) if 0 < number < 0xD800 else "\N{REPLACEMENT CHARACTER}"
