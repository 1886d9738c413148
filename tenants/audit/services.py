"""Write the audit trail."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from django.db import models, transaction

from mailgrid.core.cache import forget_tenant
from mailgrid.core.callers import Caller
from tenants.audit.models import AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who makes a change: an API key, an operator in the console, or the system itself."""

    type: str
    id: str = ""
    ip: str = ""
    request_id: str = ""

    @classmethod
    def of(cls, caller: Caller) -> "Actor":
        """The key behind an API call."""
        return cls(type="key", id=str(caller.key_id), ip=caller.ip, request_id=caller.request_id)


SYSTEM = Actor(type="system")


def record(
    *,
    tenant_id: UUID,
    actor: Actor,
    action: str,
    target: models.Model,
    now: datetime,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Append one entry, in the transaction of the change, and make this process forget what it remembers of the tenant.

    `action` is `<kind>.<verb>`; `changes` holds no secrets.
    """
    with transaction.atomic():
        _lock_chain(tenant_id)
        last = AuditEntry.across_tenants.filter(tenant_id=tenant_id).order_by("-seq").first()
        entry = AuditEntry(
            tenant_id=tenant_id,
            seq=last.seq + 1 if last else 1,
            actor_type=actor.type,
            actor_id=actor.id,
            action=action,
            target_type=str(target._meta.model_name),
            target_id=str(target.pk),
            ip=actor.ip,
            request_id=actor.request_id,
            changes=dict(changes or {}),
            created_at=now,
        )
        entry.hash = chained_hash(entry, last.hash if last else "")
        entry.save(force_insert=True)
    _forget(tenant_id)


def _forget(tenant_id: UUID) -> None:
    """Something about the tenant has changed: this process must not go on with what it remembers.

    Once now, for the rest of the transaction, and once when everybody else can see the change.
    """
    forget_tenant(tenant_id)
    transaction.on_commit(partial(forget_tenant, tenant_id))


def _lock_chain(tenant_id: UUID) -> None:
    """One chain, one writer. The tenant's row is reached through the foreign key: audit stands below tenancy."""
    tenants: Any = AuditEntry._meta.get_field("tenant").related_model
    tenants._default_manager.select_for_update().only("pk").get(pk=tenant_id)


def chained_hash(entry: AuditEntry, previous: str) -> str:
    """SHA-256 over the previous hash and everything the entry says."""
    said = [
        previous,
        str(entry.tenant_id),
        entry.seq,
        entry.actor_type,
        entry.actor_id,
        entry.action,
        entry.target_type,
        entry.target_id,
        entry.changes,
        entry.created_at.isoformat(),
    ]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS, default=str)).hexdigest()
