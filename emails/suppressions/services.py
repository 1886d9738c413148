"""Put addresses on the suppression list, and lift them off again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from emails.streams.selectors import StreamNotFound, stream_for
from emails.suppressions.models import NO_SCOPE, Suppression
from emails.suppressions.selectors import SuppressionNotFound, meant, visible
from mailgrid.core.errors import FieldError, Invalid, MissingField
from mailgrid.core.ids import parse_uuid, uuid7
from mailgrid.core.sql import insert_rows
from tenants.audit.services import Actor, record

Scope = Suppression.Scope
Key = tuple[UUID | None, str, str, UUID, str]


class UnknownSuppression(Invalid):
    """A body names a suppression that the tenant does not have."""


class InvalidScope(Invalid):
    """A scope that is bound to nothing, to the wrong thing, or not for this caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSuppression:
    """An address to suppress. `tenant_id` None is the global list; `expires_at` None is for ever.

    `source_id` is the message that led to it, `evidence` the provider's words.
    """

    tenant_id: UUID | None
    address: str
    origin: str
    scope: str = Scope.TENANT.value
    scope_id: UUID = NO_SCOPE
    source_id: UUID | None = None
    evidence: str = ""
    note: str | None = None
    expires_at: datetime | None = None

    @property
    def key(self) -> Key:
        """What makes it the only one of its kind in the table."""
        return (self.tenant_id, self.address.lower(), self.scope, self.scope_id, self.origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a caller asks to suppress: bare addresses, and for what. `stream` is an id or name."""

    addresses: Sequence[str]
    scope: str = Scope.TENANT.value
    stream: str | None = None
    topic_id: str | None = None
    expires_at: datetime | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """A suppression that is there now; `created` is False when it was there before."""

    id: UUID
    created: bool


def suppress(rows: Sequence[NewSuppression], *, now: datetime) -> int:
    """Put many addresses on the list, in a constant number of statements; says how many were not there.

    A row that is there stays. It is prolonged when it would end sooner than is asked for now, and replaced
    when it has ended.
    """
    if not rows:
        return 0
    with transaction.atomic():
        _renew(rows, now=now)
        values = [_row(new, now) for new in rows]
        return len(insert_rows(Suppression, _COLUMNS, values, ignore_conflicts=True, returning="id"))


def add(*, tenant_id: UUID, operator: bool, wanted: Wanted, actor: Actor, now: datetime) -> list[Added]:
    """Suppress by hand what a caller asks for; answers a row for each address, in order.

    An address that is listed for the same scope, for whatever reason and for as long, is left as it is.
    Raises `Invalid` for an end in the past, `InvalidScope`, and `MissingField`.
    """
    if wanted.expires_at is not None and wanted.expires_at <= now:
        raise Invalid.field("expires_at", "invalid_time", "This must lie ahead.")
    owner = None if wanted.scope == Scope.GLOBAL else tenant_id
    scope_id = _scope_id(wanted, tenant_id=tenant_id, operator=operator)
    new = {
        address.lower(): NewSuppression(
            tenant_id=owner,
            address=address,
            origin=Suppression.Origin.MANUAL.value,
            scope=wanted.scope,
            scope_id=scope_id,
            note=wanted.note,
            expires_at=wanted.expires_at,
        )
        for address in wanted.addresses
    }
    with transaction.atomic():
        before = _listed(new.values(), now=now)
        suppress([row for address, row in new.items() if not _lasts(before.get(address), row)], now=now)
        after = _listed(new.values(), now=now)
        made = [after[address].pk for address in new if address not in before]
        _audit("suppression.add", made, tenant_id=tenant_id, actor=actor, now=now)
    return [Added(after[text].pk, text not in before) for text in map(str.lower, wanted.addresses)]


def lift(*, id_or_email: str, tenant_id: UUID, operator: bool, actor: Actor, now: datetime) -> UUID:
    """Remove one suppression by its id, or every one of an address; answers the id of the widest.

    Raises `SuppressionNotFound`.
    """
    with transaction.atomic():
        rows = meant(visible(operator=operator, now=now), id_or_email)
        lifted = _delete(rows, tenant_id=tenant_id, actor=actor, now=now)
    if not lifted:
        raise SuppressionNotFound("This address is not suppressed.")
    return lifted[0]


def lift_many(
    *,
    addresses: Iterable[str] | None = None,
    ids: Sequence[str] | None = None,
    tenant_id: UUID,
    operator: bool,
    actor: Actor,
    now: datetime,
) -> list[UUID]:
    """Remove the suppressions with these ids, or every one of these addresses; answers the ids removed.

    An address without any is no error; an unknown id is (`UnknownSuppression`), and then nothing is removed.
    """
    wanted = [parse_uuid(text) for text in ids or ()]
    lowered = {text.lower() for text in addresses or ()}
    with transaction.atomic():
        rows = visible(operator=operator, now=now).filter(
            Q(address__in=lowered) | Q(pk__in=[one for one in wanted if one])
        )
        lifted = _delete(rows.order_by("pk"), tenant_id=tenant_id, actor=actor, now=now)
        if unknown := [place for place, one in enumerate(wanted) if one not in lifted]:
            message = "There is no such suppression."
            errors = [FieldError(f"ids[{place}]", "not_found", message) for place in unknown]
            raise UnknownSuppression(f"{errors[0].field}: {message}", errors=errors)
    return lifted


def lift_unsubscribe(
    *, tenant_id: UUID, address: str, scope: str, scope_id: UUID, actor: Actor, now: datetime
) -> bool:
    """Let an address have again what it unsubscribed from; says whether it had. Bounces and complaints stay."""
    with transaction.atomic():
        rows = Suppression.across_tenants.filter(
            tenant_id=tenant_id,
            address=address.lower(),
            scope=scope,
            scope_id=scope_id,
            origin=Suppression.Origin.UNSUBSCRIBE,
        )
        return bool(_delete(rows, tenant_id=tenant_id, actor=actor, now=now))


_COLUMNS: Final = (
    "id",
    "tenant_id",
    "scope",
    "scope_id",
    "address",
    "origin",
    "source_id",
    "evidence",
    "note",
    "expires_at",
    "created_at",
)
_EVIDENCE_LIMIT: Final = 500  # of the column; a foreign server's diagnostic may be longer


def _row(new: NewSuppression, now: datetime) -> tuple[Any, ...]:
    return (
        uuid7(),
        new.tenant_id,
        new.scope,
        new.scope_id,
        new.address.lower(),
        new.origin,
        new.source_id,
        new.evidence[:_EVIDENCE_LIMIT],
        new.note,
        new.expires_at,
        now,
    )


def _renew(rows: Sequence[NewSuppression], *, now: datetime) -> None:
    """Make way for what lasts longer: a hard bounce must not end with the soft one before it."""
    longest: dict[Key, datetime | None] = {}
    for new in rows:
        if new.key not in longest or not _covers(longest[new.key], new.expires_at):
            longest[new.key] = new.expires_at
    ending = Suppression.across_tenants.filter(
        address__in={key[1] for key in longest}, expires_at__isnull=False
    )
    ended, prolonged = [], []
    for row in ending.select_for_update().order_by("pk"):
        key = (row.tenant_id, row.address, row.scope, row.scope_id, row.origin)
        if key not in longest:
            continue
        if row.expires_at is not None and row.expires_at <= now:
            ended.append(row.pk)
        elif not _covers(row.expires_at, longest[key]):
            row.expires_at = longest[key]
            prolonged.append(row)
    if ended:
        Suppression.across_tenants.filter(pk__in=ended).delete()
    if prolonged:
        Suppression.across_tenants.bulk_update(prolonged, ["expires_at"])


def _covers(held: datetime | None, asked: datetime | None) -> bool:
    """Whether what ends at `held` lasts until `asked`; None is for ever."""
    return held is None or (asked is not None and held >= asked)


def _lasts(row: Suppression | None, new: NewSuppression) -> bool:
    return row is not None and _covers(row.expires_at, new.expires_at)


def _listed(rows: Iterable[NewSuppression], *, now: datetime) -> Mapping[str, Suppression]:
    """What is listed for the same tenant and scope, by address: of several the one that lasts longest."""
    asked = list(rows)
    found: dict[str, Suppression] = {}
    same = Suppression.across_tenants.filter(
        tenant=asked[0].tenant_id,
        scope=asked[0].scope,
        scope_id=asked[0].scope_id,
        address__in=[new.address.lower() for new in asked],
    )
    for row in same.order_by("pk"):
        if row.expires_at is not None and row.expires_at <= now:
            continue
        if row.address not in found or not _covers(found[row.address].expires_at, row.expires_at):
            found[row.address] = row
    return found


def _scope_id(wanted: Wanted, *, tenant_id: UUID, operator: bool) -> UUID:
    """The id a scope is bound to, after checking that it is bound to what it names."""
    bound = {"stream": wanted.stream, "topic": wanted.topic_id}
    for scope, value in bound.items():
        field = "topic_id" if scope == "topic" else scope
        if value is not None and wanted.scope != scope:
            raise InvalidScope.field(field, "mutually_exclusive", f"This goes with the scope {scope}.")
        if value is None and wanted.scope == scope:
            raise MissingField.field(field, "missing_required_field", f"The scope {scope} needs it.")
    match wanted.scope:
        case Scope.GLOBAL if not operator:
            raise InvalidScope.field("scope", "invalid_choice", "The global list is the operator's.")
        case Scope.STREAM:
            return _stream_id(tenant_id, wanted.stream)
        case Scope.TOPIC:
            # Topics come with the contacts; until then no tenant has one.
            raise InvalidScope.field("topic_id", "not_found", "There is no such topic.")
    return NO_SCOPE


def _stream_id(tenant_id: UUID, stream: str | None) -> UUID:
    try:
        stream_id: UUID = stream_for(tenant_id, stream).pk
    except StreamNotFound:
        raise InvalidScope.field("stream", "not_found", "There is no such stream.") from None
    return stream_id


def _delete(rows: QuerySet[Suppression], *, tenant_id: UUID, actor: Actor, now: datetime) -> list[UUID]:
    ids = list(rows.values_list("pk", flat=True))
    Suppression.across_tenants.filter(pk__in=ids).delete()
    _audit("suppression.lift", ids, tenant_id=tenant_id, actor=actor, now=now)
    return ids


def _audit(action: str, ids: Sequence[UUID], *, tenant_id: UUID, actor: Actor, now: datetime) -> None:
    """One entry for one request; the addresses themselves stay out of a trail that is never erased."""
    if ids:
        changes = {"ids": [str(pk) for pk in ids]}
        target = Suppression(pk=ids[0])
        record(tenant_id=tenant_id, actor=actor, action=action, target=target, now=now, changes=changes)
