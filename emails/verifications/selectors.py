"""Read verifications. What time or the mail has decided is told at once, whether or not the row says so yet."""

from datetime import datetime

from emails.verifications.models import Verification
from emails.verifications.secrets import MAX_TRIES, hash_of_token
from mailgrid.core.errors import NotFound
from mailgrid.core.ids import parse_uuid
from mailgrid.core.vocabulary import Status as MailStatus

State = Verification.Status

# The mail will not reach anybody: whoever waits for it need not wait.
UNSENT = frozenset(
    {
        MailStatus.FAILED,
        MailStatus.REJECTED,
        MailStatus.BOUNCED,
        MailStatus.EXPIRED,
        MailStatus.CANCELED,
        MailStatus.SUPPRESSED,
    }
)


def get_verification(verification_id: str) -> Verification:
    """One of the tenant and mode in scope, with its mail; raises `NotFound`."""
    rows = Verification.objects.filter(pk=parse_uuid(verification_id)).select_related("message")
    found: Verification | None = rows.first()
    if found is None:
        raise NotFound("There is no such verification.")
    return found


def find_link(token: str) -> Verification | None:
    """The verification of a link with its tenant; None for a token that was never issued."""
    rows = Verification.across_tenants.filter(
        channel=Verification.Channel.LINK, secret_hash=hash_of_token(token)
    )
    return rows.select_related("message", "tenant").first()


def state_of(row: Verification, *, now: datetime) -> Verification.Status:
    """What a caller is told."""
    if row.status != State.PENDING:
        return State(row.status)
    if row.expires_at <= now:
        return State.EXPIRED
    if row.tries >= MAX_TRIES or (row.message is not None and row.message.status in UNSENT):
        return State.FAILED
    return State.PENDING
