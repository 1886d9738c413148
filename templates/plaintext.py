"""The text part of a mail that came with HTML only. Pure.

Readers without HTML and spam filters expect one (RFC 2046 5.1.4). The rendering is inscriptis'.
"""

from functools import lru_cache

from inscriptis import get_text
from inscriptis.model.config import ParserConfig

from templates.markup import Kind, pieces
from templates.shielding import Shield, hidden_tag

_CONFIG = ParserConfig(display_links=False)
_CACHED_LENGTH = (
    20_000  # characters; the cache serves mail that is sent again and again, not single large ones
)


def from_html(html: str) -> str:
    """What the HTML says, as text; empty when it says nothing."""
    return _cached(html) if len(html) <= _CACHED_LENGTH else _render(html)


@lru_cache(maxsize=256)
def _cached(html: str) -> str:
    return _render(html)


def _render(html: str) -> str:
    return get_text(html, _CONFIG).strip() if html.strip() else ""


def from_template(html: str) -> str:
    """The same for HTML with expressions, which stay expressions; those inside of tags and style sheets are left out.

    Raises `templates.shielding.Lost` where they would not stand in their order.
    """
    shield = Shield(html)
    return shield.lift_text(_render(_for_text(html, shield)))


def _for_text(html: str, shield: Shield) -> str:
    """Expressions as words; those between rows or cells of a table get a row or cell, or they would leave the table."""
    said: list[str] = []
    tables: list[str] = []
    for piece in pieces(html):
        match piece.kind:
            case Kind.EXPRESSION if piece.text.startswith(("{{!", "{{~!")):
                continue
            case Kind.EXPRESSION:
                said.append(_FRAMES[tables[-1] if tables else ""].format(shield.between(piece.text)))
            case Kind.OPEN | Kind.CLOSE:
                _step(tables, piece.name, opens=piece.kind == Kind.OPEN)
                said.append(hidden_tag(piece.text, shield))
            case Kind.TEXT:
                said.append(piece.text)
            case Kind.RAW | Kind.COMMENT | Kind.BROKEN:
                said.append(" ")
    return "".join(said)


_FRAMES = {"": "{}", "cell": "{}", "row": "<td>{}</td>", "table": "<tr><td>{}</td></tr>"}
_AFTER = {"tr": ("row", "table"), "td": ("cell", "row"), "th": ("cell", "row"), "caption": ("cell", "table")}


def _step(tables: list[str], name: str, *, opens: bool) -> None:
    """Where in its table the next piece stands; one entry for each table that is open."""
    if name == "table":
        if opens:
            tables.append("table")
        elif tables:
            tables.pop()
    elif tables and name in _AFTER:
        tables[-1] = _AFTER[name][not opens]
    elif tables and name in {"tbody", "thead", "tfoot"}:
        tables[-1] = "table"
