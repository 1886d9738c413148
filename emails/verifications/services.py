"""Create a verification with its mail in one transaction; check a code; approve a link."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from emails.submission import verbs
from emails.submission.planning import Plan, plan
from emails.submission.request import TemplateChoice
from emails.submission.services import store
from emails.verifications import limits, mail, secrets
from emails.verifications.models import Verification
from emails.verifications.selectors import find_link, get_verification, state_of
from mailgrid.core.addresses import Mailbox
from mailgrid.core.callers import Caller
from mailgrid.core.crypto import equal
from mailgrid.core.errors import Conflict, MissingField
from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import in_scope
from tenants.tenancy.selectors import tenant_facts

State = Verification.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A verification as it was asked for, well formed. `template` None: the built-in one of the channel."""

    to: Mailbox
    channel: str
    digits: int = secrets.CODE_DIGITS
    ttl: timedelta = timedelta(minutes=10)
    template: TemplateChoice | None = None
    redirect_url: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A verification whose mail is judged, rendered and durable as far as it needs no transaction."""

    row: Verification
    planned: Plan


def prepare(*, wanted: Wanted, caller: Caller, now: datetime) -> Prepared:
    """Draw the secret and write the mail. Nothing is counted or stored yet; raises what a send raises."""
    id_ = uuid7()
    is_link = wanted.channel == Verification.Channel.LINK
    secret = secrets.new_token() if is_link else secrets.new_code(wanted.digits)
    row = Verification(
        id=id_,
        tenant_id=caller.tenant_id,
        test=caller.test,
        channel=wanted.channel,
        address_hash=secrets.hash_of_address(wanted.to.address),
        secret_hash=secrets.hash_of_token(secret) if is_link else secrets.hash_of_code(id_, secret),
        redirect_url=wanted.redirect_url,
        metadata=dict(wanted.metadata),
        expires_at=now + wanted.ttl,
        created_at=now,
    )
    request = mail.write(
        to=wanted.to,
        channel=wanted.channel,
        secret=secret,
        app_name=tenant_facts(caller.tenant_id).name,
        ttl=wanted.ttl,
        template=wanted.template,
        metadata=wanted.metadata,
        expires_at=row.expires_at,
    )
    return Prepared(row=row, planned=plan(requests=[request], caller=caller, now=now))


def create(prepared: Prepared, *, now: datetime) -> Verification:
    """Store the verification and its mail together; whatever was pending for the address is canceled.

    Raises `RateLimited`, and what a send raises; nothing is stored then.
    """
    row, tenant = prepared.row, prepared.planned.desk.tenant
    turn: dict[str, Any] = {
        "tenant_id": row.tenant_id,
        "test": row.test,
        "limits": tenant.limits,
        "address_hash": row.address_hash,
    }
    limits.take_turn(**turn, now=now)
    try:
        with transaction.atomic():
            _cancel_pending(row, now=now)
            (accepted,) = store(prepared.planned, now=now).accepted
            row.message_id = accepted.id
            row.save(force_insert=True)
    except IntegrityError:
        limits.give_back(**turn)
        raise Conflict("Another verification of this address is being made right now.") from None
    except BaseException:
        limits.give_back(**turn)
        raise
    return row


def check_code(*, verification_id: str, code: str | None, now: datetime) -> Verification.Status:
    """Use up one try; what is true afterwards. Of a link the status is told.

    Raises `NotFound`, `MissingField`, and `Conflict` for a code that has approved already.
    """
    row = get_verification(verification_id)
    state = state_of(row, now=now)
    if row.channel == Verification.Channel.LINK:
        return state
    if code is None:
        raise MissingField.field(
            "code", "missing_required_field", "A code is checked by what somebody typed."
        )
    if state == State.APPROVED:
        raise Conflict("This code has been used.")
    if state == State.PENDING:
        return _try(row, code, now=now)
    return state


def approve_link(token: str, *, now: datetime) -> Verification | None:
    """Approve by a link's button, once; None for a token that is unknown, used, expired or canceled."""
    row = find_link(token)
    if row is None or state_of(row, now=now) != State.PENDING:
        return None
    return row if _decide(row, State.APPROVED) else None


def _try(row: Verification, code: str, *, now: datetime) -> Verification.Status:
    """The try is taken before the code is looked at: whoever guesses side by side has five in all."""
    mine = Verification.across_tenants.filter(
        pk=row.pk, status=State.PENDING, tries__lt=secrets.MAX_TRIES, expires_at__gt=now
    ).update(tries=F("tries") + 1)
    if not mine:
        return state_of(get_verification(str(row.pk)), now=now)
    if equal(row.secret_hash, secrets.hash_of_code(row.pk, code)):
        if not _decide(row, State.APPROVED):
            raise Conflict("This code has been used.")
        return State.APPROVED
    used_up = Verification.across_tenants.filter(
        pk=row.pk, status=State.PENDING, tries__gte=secrets.MAX_TRIES
    )
    return State.FAILED if used_up.update(status=State.FAILED) else State.PENDING


def _decide(row: Verification, state: Verification.Status) -> bool:
    return bool(Verification.across_tenants.filter(pk=row.pk, status=State.PENDING).update(status=state))


def _cancel_pending(row: Verification, *, now: datetime) -> None:
    """The older secret is worth nothing any more; its mail need not go out if it has not."""
    pending = Verification.across_tenants.select_for_update().filter(
        tenant_id=row.tenant_id,
        test=row.test,
        address_hash=row.address_hash,
        channel=row.channel,
        status=State.PENDING,
    )
    found = dict(pending.values_list("pk", "message_id"))
    Verification.across_tenants.filter(pk__in=found).update(status=State.CANCELED)
    with in_scope(row.tenant_id, test=row.test):
        for message_id in found.values():
            _cancel_mail(message_id, now=now)


def _cancel_mail(message_id: UUID | None, *, now: datetime) -> None:
    if message_id is None:
        return
    try:
        verbs.cancel(message_id=str(message_id), now=now)
    except Conflict:
        return  # it is out
