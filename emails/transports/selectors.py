"""Find transports, and open what is sealed in them."""

from typing import Any

import orjson
from django.db.models import Q, QuerySet

from emails.transports.models import Transport
from emails.transports.settings import MODELS, Settings
from mailgrid.core.crypto import Sealed, unseal
from mailgrid.core.errors import NotFound
from mailgrid.core.ids import parse_uuid
from mailgrid.core.scoping import current_scope


class TransportNotFound(NotFound):
    """No transport of this id or name may be seen here."""


def visible(*, operator: bool) -> QuerySet[Transport]:
    """The transports of the tenant in scope; with `operator` the shared ones too."""
    if not operator:
        return Transport.objects.all()
    return Transport.across_tenants.filter(Q(tenant=current_scope().tenant_id) | Q(tenant=None))


def find(id_or_name: str, *, operator: bool) -> Transport:
    """One of them by id, else by name, a tenant's own before a shared one; raises `TransportNotFound`."""
    return pick(visible(operator=operator), id_or_name)


def usable(name: str) -> Transport:
    """What a stream of the tenant in scope may name: its own or a shared one; raises `TransportNotFound`."""
    return pick(visible(operator=True), name)


def pick(rows: QuerySet[Transport], id_or_name: str) -> Transport:
    """The one of `rows` that is meant; raises `TransportNotFound`."""
    if "\0" in id_or_name:  # a path may hold one, and PostgreSQL fails on it
        raise TransportNotFound("There is no such transport.")
    wanted = parse_uuid(id_or_name)
    found = rows.filter(Q(name=id_or_name) | Q(pk=wanted))
    best = max(found, key=lambda row: (row.pk == wanted, row.tenant_id is not None), default=None)
    if best is None:
        raise TransportNotFound("There is no such transport.")
    return best


def secrets_of(transport: Transport) -> dict[str, Any]:
    """What was sealed; raises `CannotDecrypt`."""
    if not transport.sealed_secrets:
        return {}
    sealed = Sealed(transport.secrets_key_id, bytes(transport.sealed_secrets))
    opened: dict[str, Any] = orjson.loads(unseal(sealed, context=transport.pk.bytes))
    return opened


def full_settings(transport: Transport) -> Settings:
    """Everything an adapter needs, secrets included: for workers only. Raises `CannotDecrypt`."""
    return MODELS[transport.kind].model_validate({**transport.settings, **secrets_of(transport)})
