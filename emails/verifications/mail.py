"""The mail that carries a code or a link: immediate, confidential, and worth nothing after its time."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings

from emails.submission.request import SubmitRequest, TemplateChoice
from emails.verifications.models import Verification
from mailgrid.core.addresses import Mailbox
from mailgrid.core.bells import Priority
from mailgrid.core.vocabulary import Source

BUILTIN: Final[Mapping[str, str]] = {
    Verification.Channel.CODE: "otp-code",
    Verification.Channel.LINK: "magic-link",
}


def write(
    *,
    to: Mailbox,
    channel: str,
    secret: str,
    app_name: str,
    ttl: timedelta,
    template: TemplateChoice | None,
    metadata: Mapping[str, Any],
    expires_at: datetime,
) -> SubmitRequest:
    """The mail as it would be submitted, over the tenant's default stream.

    The template gets `code` or `link`, and how long it holds; what its caller gave beside them stays.
    """
    chosen = template or TemplateChoice(wanted=BUILTIN[channel])
    seconds = int(ttl.total_seconds())
    ours: dict[str, Any] = {"ttl_seconds": seconds, "minutes": -(-seconds // 60)}
    if channel == Verification.Channel.LINK:
        ours |= {"link": _link(secret), "url": _link(secret)}
    else:
        ours |= {"code": secret}
    merged = {"app_name": app_name, **chosen.variables, **ours}
    return SubmitRequest(
        sender=None,
        to=(to,),
        template=replace(chosen, variables=merged),
        metadata=dict(metadata),
        priority=int(Priority.IMMEDIATE),
        expires_at=expires_at,
        sensitive=True,
        source=Source.VERIFICATION,
    )


def _link(token: str) -> str:
    return f"{settings.PUBLIC_URL}/v/{token}"
