"""HTML of a mail with its links led through us and the open pixel put in; everything else stays, byte for byte. Pure.

The HTML is cut into pieces once, by the tokens of the HTML Standard (13.2.5), in time linear in its length whatever it
holds; each recipient's copy is a join. A link is the `href` of `<a>` and `<area>`, also inside of Outlook's conditional
comments, where VML's shapes have one, too.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from html.entities import html5
from typing import Final

from emails.tracking.links import is_target

MAX_LINKS: Final = 1_000  # of one mail; those behind them stay as they are
_KEPT: Final = 16  # outlines; mail of a campaign comes in a row
_KEPT_LENGTH: Final = 128 * 1024  # characters; beyond 102 KB Gmail cuts a mail off, so few are larger

_SPACE = r"[\t\n\f\r ]"
_ATTRIBUTE = (
    rf"[^\t\n\f\r />][^\t\n\f\r />=]*+"
    rf"(?:{_SPACE}*+=(?:{_SPACE}*+(?:\"[^\"]*+\"|'[^']*+'|(?![\"'])[^\t\n\f\r >]*+))|(?!{_SPACE}*+=))"
)
# To the end of a tag; one that does not end takes all that is left with it, as in a browser.
_ATTRIBUTES = rf"(?:[\t\n\f\r /]*+{_ATTRIBUTE})*+[\t\n\f\r /]*+"
_REST_OF_TAG = rf"{_ATTRIBUTES}(?:>|(?P<{{lost}}>[\s\S]*+))"
_RAW = "script|style|title|textarea|xmp|iframe|noembed|noframes"
_LINKING = r"a|area|v:(?:roundrect|rect|shape|oval)"
_ENDED = r"(?=[\t\n\f\r />])"

# Possessive throughout: what was read is not read again. No token can fail once it has begun: it reaches to the end.
_TOKEN: Final = re.compile(
    # Most tags by far, and the text behind them, in one go.
    rf"(?:<(?!(?:{_RAW}|{_LINKING}|plaintext|/body){_ENDED})/?[a-z][^\t\n\f\r />]*+{_ATTRIBUTES}>[^<]*+)++"
    rf"|<!--(?!\[if)(?:-?>|[\s\S]*?(?:--!?>|(?P<lost_comment>\Z)))"
    rf"|<(?P<raw>{_RAW}){_ENDED}{_REST_OF_TAG.format(lost='lost_raw')}"
    rf"(?(lost_raw)|[\s\S]*?(?:</(?P=raw){_ENDED}|(?P<lost_text>\Z)))"
    rf"|<plaintext{_ENDED}(?P<lost_plain>[\s\S]*+)"
    rf"|(?P<link><(?:{_LINKING}){_ENDED}{_REST_OF_TAG.format(lost='lost_link')})"
    rf"|(?P<body></body{_ENDED})"
    rf"|</?[a-z][^\t\n\f\r />]*+{_REST_OF_TAG.format(lost='lost')}"
    rf"|<[!?/][^>]*+",
    re.IGNORECASE | re.ASCII,
)
_LOST: Final = ("lost_comment", "lost_raw", "lost_text", "lost_plain", "lost_link", "lost")
_TAG_NAME: Final = re.compile(r"<[^\t\n\f\r />]++")
_NAMED_ATTRIBUTE: Final = re.compile(
    rf"(?P<name>[^\t\n\f\r />][^\t\n\f\r />=]*+)"
    rf"(?:{_SPACE}*+={_SPACE}*+(?:\"(?P<double>[^\"]*+)\"|'(?P<single>[^']*+)'|(?P<bare>[^\t\n\f\r >]*+)))?+"
)
_REFERENCE: Final = re.compile(r"&(?:#[0-9]++;?|#[xX][0-9a-fA-F]++;?|([a-zA-Z][a-zA-Z0-9]*+);?)(=?)")
_AROUND: Final = "".join(map(chr, range(33)))  # controls and the space, which no URL begins or ends with
_LINE_ENDS: Final = str.maketrans("", "", "\t\n\r")


@dataclass(frozen=True, slots=True)
class Outline:
    """A mail's HTML in pieces: between each two stands one of `targets`, as written there and as meant.

    The pixel goes behind the first `before_pixel` characters of the piece `pixel_piece`.
    """

    pieces: tuple[str, ...]
    targets: tuple[tuple[str, str], ...]
    pixel_piece: int
    before_pixel: int

    def copy(self, *, click: Callable[[str], str | None] | None, pixel: str | None) -> str:
        """The HTML with each target replaced by what `click` makes of it (None: as it was), and the pixel of this URL.

        What `click` answers has no character that means something in HTML.
        """
        parts = list(self.pieces)
        if pixel is not None:
            piece = parts[self.pixel_piece]
            parts[self.pixel_piece] = (
                f"{piece[: self.before_pixel]}{_image(pixel)}{piece[self.before_pixel :]}"
            )
        written = [(click and click(meant)) or written for written, meant in self.targets]
        return "".join(part for pair in zip(parts, (*written, ""), strict=True) for part in pair)


def outline(html: str) -> Outline:
    """The HTML in pieces; the last few are remembered."""
    return _remembered(html) if len(html) <= _KEPT_LENGTH else _outline(html)


@lru_cache(maxsize=_KEPT)
def _remembered(html: str) -> Outline:
    return _outline(html)


def _outline(html: str) -> Outline:
    pieces: list[str] = []
    targets: list[tuple[str, str]] = []
    begin, body, end = 0, None, len(html)
    for token in _TOKEN.finditer(html):
        kind = token.lastgroup
        if kind == "body":
            body = (len(pieces), token.start() - begin)
        elif kind == "link" and len(targets) < MAX_LINKS and (place := _target_place(token)):
            first, last, meant = place
            pieces.append(html[begin:first])
            targets.append((html[first:last], meant))
            begin = last
        elif kind in _LOST or token["lost_link"] is not None:
            end = token.start()  # nobody sees what follows
    pieces.append(html[begin:])
    place_of_pixel = body or (len(pieces) - 1, end - begin)
    return Outline(tuple(pieces), tuple(targets), *place_of_pixel)


def _target_place(token: re.Match[str]) -> tuple[int, int, str] | None:
    """Where the target of a linking tag is written, and what it means; None where it is not to be replaced."""
    values = {} if token["lost_link"] is not None else _attributes(token)
    if "href" not in values:
        return None
    html = token.string
    if html[slice(*values.get("data-mg-track", (0, 0)))].strip().lower() == "off":
        return None
    first, last = values["href"]
    meant = _decoded(html[first:last]).strip(_AROUND).translate(_LINE_ENDS)
    return (first, last, meant) if is_target(meant) else None


def _attributes(token: re.Match[str]) -> dict[str, tuple[int, int]]:
    """Where the values of a tag's attributes stand; of several with one name the first counts."""
    html = token.string
    places: dict[str, tuple[int, int]] = {}
    tag = _TAG_NAME.match(html, token.start())
    for attribute in _NAMED_ATTRIBUTE.finditer(html, tag.end() if tag else token.start(), token.end() - 1):
        quoting = attribute.lastgroup or "name"
        place = (0, 0) if quoting == "name" else attribute.span(quoting)
        places.setdefault(attribute["name"].lower(), place)
    return places


def _decoded(text: str) -> str:
    """An attribute's value without character references, by the rules for attributes: `&copy=1` is none."""
    return _REFERENCE.sub(_character, text) if "&" in text else text


def _character(reference: re.Match[str]) -> str:
    name, equals = reference.groups()
    written = reference[0].removesuffix("=") if equals else reference[0]
    if name is None:
        return unescape(written) + equals
    if written.endswith(";"):
        return html5.get(f"{name};", written) + equals
    return written + equals if equals else html5.get(name, written)


def _image(url: str) -> str:
    return (
        f'<img src="{url}" alt="" width="1" height="1" border="0"'
        ' style="height:1px!important;width:1px!important;border:0!important;margin:0!important;padding:0!important">'
    )
