"""Ask the suppression list: for a whole batch before it is sent, and for people.

An error of the database propagates: a list that cannot be read never means "not suppressed". Rows past their
`expires_at` count nowhere.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Case, Q, QuerySet, Value, When

from emails.suppressions.models import Suppression
from mailgrid.core.addresses import InvalidAddress, parse_address
from mailgrid.core.errors import NotFound
from mailgrid.core.ids import parse_uuid
from mailgrid.core.scoping import current_scope
from mailgrid.core.sql import adapted, any_of, batched, read_uuid, run
from mailgrid.core.vocabulary import SuppressedReason

Target = tuple[UUID, UUID, str]  # tenant, stream, address

# Worst news first: the reason that is shown when an address is listed for several.
REASONS: Final[Mapping[str, SuppressedReason]] = {
    Suppression.Origin.COMPLAINT: SuppressedReason.COMPLAINT,
    Suppression.Origin.BOUNCE: SuppressedReason.BOUNCE,
    Suppression.Origin.UNSUBSCRIBE: SuppressedReason.UNSUBSCRIBED,
    Suppression.Origin.MANUAL: SuppressedReason.MANUAL,
}
_ADDRESSES_AT_ONCE: Final = 10_000  # of one statement; a batch of 500 messages may name 25,000
_SEVERITY: Final = {origin: place for place, origin in enumerate(REASONS)}


class SuppressionNotFound(NotFound):
    """No suppression with this id or of this address may be seen here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """Why an address must not get mail, and the row that says so; `source_id` is the message behind it."""

    address: str
    reason: SuppressedReason
    id: UUID
    tenant_id: UUID | None
    scope: str
    scope_id: UUID
    origin: str
    source_id: UUID | None

    def covers(self, tenant_id: UUID, stream_id: UUID) -> bool:
        """Whether it stops mail of this tenant on this stream; the global list stops everybody's."""
        if self.tenant_id != tenant_id:
            return self.tenant_id is None
        return self.scope == Suppression.Scope.TENANT or self.scope_id == stream_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One row that counts against an address. What led to a global one is not for tenants to see."""

    kind: str
    scope: str
    source_id: UUID | None
    at: datetime
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Whether an address is suppressed for a tenant, at least on one stream, and every reason."""

    email: str
    reasons: tuple[Reason, ...]


def which_are_suppressed(targets: Iterable[Target], *, now: datetime) -> dict[Target, Suppressed]:
    """Those of `targets` that must not get mail, each with the worst reason.

    One query for any usual number of targets. Addresses are compared in lower case and answered as given.
    """
    asked = list(targets)
    listed: dict[str, list[Suppressed]] = defaultdict(list)
    for row in _listed_for(asked, now=now):
        listed[row.address].append(row)
    if not listed:
        return {}
    found: dict[Target, Suppressed] = {}
    for target in asked:
        tenant_id, stream_id, address = target
        against = [row for row in listed.get(address.lower(), ()) if row.covers(tenant_id, stream_id)]
        if against:
            found[target] = min(against, key=lambda row: _SEVERITY[row.origin])
    return found


def _listed_for(asked: Sequence[Target], *, now: datetime) -> Iterator[Suppressed]:
    """Rows of these tenants and addresses, by hand: every accept and every claim asks."""
    addresses = sorted({address.lower() for _, _, address in asked})
    tenants, ids = any_of("tenant_id", Suppression, "tenant_id", {tenant_id for tenant_id, _, _ in asked})
    (moment,) = adapted(Suppression, "expires_at", [now])
    for some in batched(addresses, _ADDRESSES_AT_ONCE):
        these, texts = any_of("address", Suppression, "address", some)
        rows = run(
            "SELECT address, id, tenant_id, scope, scope_id, origin, source_id FROM emails_suppression"
            f" WHERE {these} AND (tenant_id IS NULL OR {tenants}) AND (expires_at IS NULL OR expires_at > %s)",
            [*texts, *ids, moment],
        )
        for address, pk, tenant_id, scope, scope_id, origin, source_id in rows:
            yield Suppressed(
                address=address,
                reason=REASONS[origin],
                id=read_uuid(pk),
                tenant_id=tenant_id and read_uuid(tenant_id),
                scope=scope,
                scope_id=read_uuid(scope_id),
                origin=origin,
                source_id=source_id and read_uuid(source_id),
            )


def visible(*, operator: bool, now: datetime) -> QuerySet[Suppression]:
    """The rows of the tenant in scope; with `operator` the global ones too."""
    mine = Q(tenant=current_scope().tenant_id)
    return _active(now).filter(mine | Q(tenant=None) if operator else mine)


def listed(
    rows: QuerySet[Suppression],
    *,
    origins: Sequence[str],
    scopes: Sequence[str],
    email: str | None,
    since: datetime | None,
    until: datetime | None,
) -> QuerySet[Suppression]:
    """Those of `rows` that pass the filters; an empty one lets all through."""
    if origins:
        rows = rows.filter(origin__in=origins)
    if scopes:
        rows = rows.filter(scope__in=scopes)
    if email is not None:
        rows = rows.filter(address=email.lower())
    if since is not None:
        rows = rows.filter(created_at__gte=since)
    return rows if until is None else rows.filter(created_at__lt=until)


def meant(rows: QuerySet[Suppression], id_or_email: str) -> QuerySet[Suppression]:
    """The one of `rows` with this id, else all with this address, the tenant-wide one first."""
    if row_id := parse_uuid(id_or_email):
        return rows.filter(pk=row_id)
    try:
        address = parse_address(id_or_email).lower()
    except InvalidAddress:
        return rows.none()
    narrow = Case(When(scope=Suppression.Scope.TENANT, then=Value(0)), default=Value(1))
    return rows.filter(address=address).order_by(narrow, "pk")


def find(id_or_email: str, *, operator: bool, now: datetime) -> Suppression:
    """The suppression with this id, else the widest of this address; raises `SuppressionNotFound`."""
    row = meant(visible(operator=operator, now=now), id_or_email).first()
    if row is None:
        raise SuppressionNotFound("This address is not suppressed.")
    return row


def unsubscribed(*, tenant_id: UUID, address: str, scope: str, scope_id: UUID, now: datetime) -> UUID | None:
    """The suppression by which an address unsubscribed from exactly this, if it is in force."""
    rows = _active(now).filter(
        tenant_id=tenant_id,
        address=address.lower(),
        scope=scope,
        scope_id=scope_id,
        origin=Suppression.Origin.UNSUBSCRIBE,
    )
    return rows.values_list("pk", flat=True).first()


def explain(email: str, *, tenant_id: UUID, operator: bool, now: datetime) -> Explanation:
    """Every reason why a tenant's mail to an address is stopped.

    Raises `SuppressionNotFound` for what is no address.
    """
    try:
        address = parse_address(email).lower()
    except InvalidAddress:
        raise SuppressionNotFound("This is not an address.") from None
    rows = _active(now).filter(Q(tenant=None) | Q(tenant=tenant_id), address=address).order_by("pk")
    return Explanation(email=address, reasons=tuple(_reason(row, operator=operator) for row in rows))


def _active(now: datetime) -> QuerySet[Suppression]:
    return Suppression.across_tenants.filter(Q(expires_at=None) | Q(expires_at__gt=now))


def _reason(row: Suppression, *, operator: bool) -> Reason:
    open_to_caller = operator or row.tenant_id is not None
    return Reason(
        kind=row.origin,
        scope=row.scope,
        source_id=row.source_id if open_to_caller else None,
        at=row.created_at,
        evidence=row.evidence if open_to_caller else "",
    )
