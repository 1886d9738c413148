"""The short name of a tenant, which people type. Pure."""

import re
import unicodedata
from typing import Final

PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,38}[a-z0-9]")
MAX_LENGTH: Final = 40
# SMTP takes a slug as the user name beside these (docs/api.md), and mail to them belongs to the installation.
RESERVED: Final = frozenset({"mailgrid", "resend", "admin", "apikey"})


def slug_from(name: str, *, spare: str) -> str:
    """A valid slug that looks like `name`; `spare`, 8 lower-case letters or digits, completes a poor one."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_LENGTH].strip("-")
    if PATTERN.fullmatch(slug) and slug not in RESERVED:
        return slug
    return f"{slug or 'tenant'}-{spare}"
