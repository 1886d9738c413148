"""Style sheets copied into `style` attributes, for mail readers that forget the sheets. Pure.

The work is css-inline's, which fetches nothing here (`load_remote_stylesheets=False` covers files too). The sheets
stay: media queries, dark mode and `:hover` live in them. What cannot be inlined without harm stays as it was written.
"""

import re
from dataclasses import dataclass
from typing import Final

import css_inline

from templates.markup import Kind, balance, pieces
from templates.shielding import Lost, Shield, shielded_from_css

MAX_LENGTH: Final = 512 * 1024  # characters; about two seconds, in a request
MAX_DEPTH: Final = 200  # of elements; the parser recurses, and a stack is finite
# Selectors times elements; a tenth of a second. Selectors that look at neighbours count each of them.
MAX_WORK: Final = 20_000_000
_NEIGHBOURS: Final = re.compile(r":nth|:last|:only|:first-of|:has|~")
_FRAGMENT: Final = re.compile(r"<(?:html|head|body)[\s>]", re.IGNORECASE)
_IMPLICIT: Final = re.compile(r"<tbody(?P<own> mgt=\"\")?(?P<rest>[^>]*)>|</tbody>|<!--.*?-->", re.DOTALL)

_inliner: Final = css_inline.CSSInliner(
    keep_style_tags=True, keep_link_tags=True, load_remote_stylesheets=False
)


@dataclass(frozen=True, slots=True)
class Inlined:
    """The HTML, and why its sheets were left alone, if they were."""

    html: str
    left: str | None = None


def inlined(html: str) -> Inlined:
    """`html` with its `style` elements inlined; as it was where it has none, or where inlining would harm it."""
    sheets = [piece.text for piece in pieces(html) if piece.kind == Kind.RAW and piece.name == "style"]
    if not sheets:
        return Inlined(html)
    if reason := _too_much(html, "".join(sheets)):
        return Inlined(html, reason)
    try:
        return Inlined(_inline(html))
    except Lost:
        return Inlined(html, "expressions stand where a parser of HTML would move them")
    except ValueError as error:  # css-inline's own error is one
        return Inlined(html, str(error))


def _too_much(html: str, sheet: str) -> str | None:
    if len(html) > MAX_LENGTH:
        return f"the HTML has more than {MAX_LENGTH:,} characters"
    found = balance(html)
    if found.fault:
        return found.fault
    if found.depth > MAX_DEPTH:
        return f"elements are nested deeper than {MAX_DEPTH}"
    work = (sheet.count("{") + sheet.count(",")) * found.tags
    work *= found.tags if _NEIGHBOURS.search(sheet) else 1
    return "there are too many rules for so many elements" if work > MAX_WORK else None


def _inline(html: str) -> str:
    """Through the parser and back; raises `Lost` where tags and expressions would not stand as they did."""
    shield = Shield(html)
    hidden = re.sub(r"<tbody(?=[\s>])", '<tbody mgt=""', shielded_from_css(html, shield), flags=re.IGNORECASE)
    before = shield.sequence(hidden)
    whole = hidden if (page := bool(_FRAGMENT.search(hidden))) else f"<html><body>{hidden}</body></html>"
    text = _without_implied(_inliner.inline(whole))
    if not page:
        text = text[text.index("<body>") + len("<body>") : text.rindex("</body>")]
    if shield.holds and shield.sequence(text) != before:
        raise Lost("tags were moved")
    return shield.lift(text)


def _without_implied(html: str) -> str:
    """Without the `tbody` tags that the parser added: a block's end would stand inside, its beginning outside."""
    implied: list[bool] = []

    def judge(match: re.Match[str]) -> str:
        if match[0].startswith("<!--"):
            return match[0]
        if match[0] == "</tbody>":
            return "" if implied.pop() else match[0]
        implied.append(not match["own"])
        return "" if implied[-1] else f"<tbody{match['rest']}>"

    return _IMPLICIT.sub(judge, html)
