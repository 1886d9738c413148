"""Create, change and delete transports. Their secrets are sealed here and never shown again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypedDict
from uuid import UUID

import orjson
from django.conf import settings as django_settings
from django.db import IntegrityError, models, transaction

from emails.transports import breakers, selectors
from emails.transports import settings as kinds
from emails.transports.models import SANDBOX_ID, Transport
from emails.transports.selectors import secrets_of
from emails.transports.settings import Settings
from mailgrid.core.crypto import keyed_hash, seal
from mailgrid.core.errors import Conflict, Forbidden, Invalid
from mailgrid.core.ids import base62
from tenants.audit.services import Actor, record
from tenants.tenancy.selectors import lock_tenant

# Kinds that an adapter in `workers/transports` can serve.
AVAILABLE_KINDS: Final = frozenset(
    {Transport.Kind.SES.value, Transport.Kind.SMTP.value, Transport.Kind.SANDBOX.value}
)
MAX_TRANSPORTS: Final = 10  # of one tenant
_HOOK_SECRET_CHARACTERS: Final = 43  # 256 bits


class TransportTaken(Conflict):
    """The name is in use."""


class TooManyTransports(Conflict):
    """The tenant has as many as it may."""


class TransportInUse(Conflict):
    """Streams or mail stand on it, or it is what everybody falls back to."""


class NotForTenants(Forbidden):
    """Shared transports are the operator's."""


class UnavailableKind(Invalid):
    """No adapter of this version serves this kind."""


class TransportValues(TypedDict, total=False):
    """What a caller may set; absent means the default on create, unchanged on update. None is no limit."""

    name: str
    kind: str
    settings: Mapping[str, Any]
    per_minute: int | None
    per_hour: int | None
    per_day: int | None
    over_limit: str
    shared: bool


@dataclass(frozen=True, slots=True)
class Created:
    """A new transport, and where its notifications go (None: nowhere), which cannot be read again."""

    transport: Transport
    hook_url: str | None


def create(
    *, tenant_id: UUID, operator: bool, values: TransportValues, actor: Actor, now: datetime
) -> Created:
    """Add a transport to a tenant or, when `shared`, to the installation.

    Raises `Invalid` for settings that cannot be, `UnavailableKind`, `NotForTenants`, `TooManyTransports` and
    `TransportTaken`.
    """
    shared = values.get("shared", False)
    if shared and not operator:
        raise NotForTenants("Only keys of the operator may create shared transports.")
    account = _read(values["kind"], values.get("settings", {}), shared=shared)
    row = Transport(tenant_id=None if shared else tenant_id, kind=values["kind"])
    secret = base62(_HOOK_SECRET_CHARACTERS) if row.kind == Transport.Kind.SES else None
    row.hook_key = None if secret is None else keyed_hash(secret)
    _apply(row, values)
    _seal(row, account)
    with transaction.atomic():
        if not shared:
            _check_count(tenant_id)
        _save(row)
        record(
            tenant_id=tenant_id,
            actor=actor,
            action="transport.create",
            target=row,
            now=now,
            changes=_told(row, values),
        )
    return Created(row, secret and f"{django_settings.PUBLIC_URL}/hooks/ses/{secret}")


def update(
    *,
    tenant_id: UUID,
    operator: bool,
    id_or_name: str,
    values: TransportValues,
    actor: Actor,
    now: datetime,
) -> Transport:
    """Change what is given. Settings are merged by key: secrets need not be sent again, None removes one.

    Raises `TransportNotFound`, `TransportInUse` for renaming what all fall back to, and what `create` raises.
    """
    with transaction.atomic():
        row = _lock(id_or_name, operator=operator)
        if values.get("name", row.name) != row.name:
            _refuse_for_the_fallback(row)
        _apply(row, values)
        if "settings" in values:
            merged = {**row.settings, **secrets_of(row), **values["settings"]}
            _seal(row, _read(row.kind, merged, shared=row.tenant_id is None))
            breakers.forget(row.pk)  # what was refused may be right now
        _save(row)
        record(
            tenant_id=tenant_id,
            actor=actor,
            action="transport.update",
            target=row,
            now=now,
            changes=_told(row, values),
        )
    return row


def delete(*, tenant_id: UUID, operator: bool, id_or_name: str, actor: Actor, now: datetime) -> UUID:
    """Remove a transport that nothing stands on; answers its id.

    Raises `TransportNotFound` and `TransportInUse`.
    """
    with transaction.atomic():
        row = _lock(id_or_name, operator=operator)
        _refuse_for_the_fallback(row)
        if _is_in_use(row):
            raise TransportInUse("Streams or kept mail still use this transport.")
        transport_id: UUID = row.pk
        record(
            tenant_id=tenant_id,
            actor=actor,
            action="transport.delete",
            target=row,
            now=now,
            changes={"name": row.name},
        )
        row.delete()
    return transport_id


def _read(kind: str, values: Mapping[str, Any], *, shared: bool) -> Settings:
    if kind not in AVAILABLE_KINDS:
        raise UnavailableKind.field("kind", "invalid_choice", "This kind is not available in this version.")
    account = kinds.read(kind, values)
    kinds.check(account, shared=shared, allowed=django_settings.UNSAFE_HOSTS)
    return account


def _apply(row: Transport, values: TransportValues) -> None:
    for field in ("name", "per_minute", "per_hour", "per_day", "over_limit"):
        if field in values:
            setattr(row, field, values[field])


def _seal(row: Transport, account: Settings) -> None:
    row.settings = kinds.public_part(account)
    row.sealed_secrets, row.secrets_key_id = b"", ""
    if secret := kinds.secret_part(account):
        sealed = seal(orjson.dumps(secret), context=row.pk.bytes)
        row.sealed_secrets, row.secrets_key_id = sealed.ciphertext, sealed.key_id


def _save(row: Transport) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise TransportTaken("A transport of this name exists already.") from None


def _check_count(tenant_id: UUID) -> None:
    lock_tenant(tenant_id)  # two at once cannot both be the last one
    if Transport.objects.count() >= MAX_TRANSPORTS:
        raise TooManyTransports(f"A tenant may have {MAX_TRANSPORTS} transports.")


def _lock(id_or_name: str, *, operator: bool) -> Transport:
    return selectors.pick(selectors.visible(operator=operator).select_for_update(), id_or_name)


def _refuse_for_the_fallback(row: Transport) -> None:
    if row.pk == SANDBOX_ID or (row.tenant_id is None and row.name == django_settings.DEFAULT_TRANSPORT):
        raise TransportInUse("Tenants without a transport of their own use this one.")


def _is_in_use(row: Transport) -> bool:
    """Whether a row that protects its transport points here, in whatever slice; none of them is imported."""
    return any(
        relation.related_model._base_manager.filter(**{relation.field.name: row}).exists()
        for relation in Transport._meta.get_fields(include_hidden=True)
        if isinstance(relation, models.ManyToOneRel) and relation.on_delete is models.PROTECT
    )


def _told(row: Transport, values: TransportValues) -> dict[str, Any]:
    """The values for the audit trail, secrets as names only."""
    told: dict[str, Any] = dict(values)
    if "settings" in values:
        told["settings"] = row.settings
        told["secrets"] = sorted(kinds.SECRETS & set(values["settings"]))
    return told
