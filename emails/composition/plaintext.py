"""The text part of a mail that came with HTML only. Pure.

Readers without HTML and spam filters expect one (RFC 2046 5.1.4). The rendering is inscriptis'.
"""

from functools import lru_cache

from inscriptis import get_text
from inscriptis.model.config import ParserConfig

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
