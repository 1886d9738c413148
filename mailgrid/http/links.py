"""Signed links to one download each: `/f/<token>`, for an hour. What they name is ids, and no address."""

from datetime import UTC, datetime, timedelta
from typing import Final

from django.conf import settings

from mailgrid.core.errors import NotFound
from mailgrid.core.tokens import BadToken, Signer

VALID: Final = timedelta(hours=1)


def download_link(*named: str, now: datetime) -> tuple[str, datetime]:
    """The address of what these words name, the first of them its kind, and when it stops working."""
    expires_at = (now + VALID).replace(microsecond=0)
    token = _signer().sign(".".join([*named, str(int(expires_at.timestamp()))]).encode())
    return f"{settings.PUBLIC_URL}/f/{token}", expires_at


def read_token(token: str, *, now: datetime) -> tuple[str, ...]:
    """The words behind a token; raises `NotFound` for one that was changed, is not ours, or is too old."""
    try:
        *named, expires = _signer().read(token).decode().split(".")
    except BadToken:
        raise NotFound("This link does not work.") from None
    if datetime.fromtimestamp(int(expires), UTC) <= now:
        raise NotFound("This link does not work any more.")
    return tuple(named)


def _signer() -> Signer:
    return Signer(settings.SECRET_KEY, purpose="download")
