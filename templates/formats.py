"""In what an author writes. Pure."""

from enum import StrEnum


class Format(StrEnum):
    """What `html` holds: HTML, MJML, or nothing at all."""

    HTML = "html"
    MJML = "mjml"
    TEXT = "text"
