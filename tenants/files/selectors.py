"""Read files. One whose time is over is gone at once, whenever its row goes."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet

from mailgrid.core.files import Kept
from tenants.files.models import File
from tenants.tenancy.lookup import one
from tenants.tenancy.models import Tenant

LINK: Final = "file"  # the kind of links to files


def list_files(tenant_id: UUID, *, filename: str | None, now: datetime) -> QuerySet[File]:
    """The tenant's files, or those of exactly this name."""
    rows = _lasting(File.across_tenants.filter(tenant_id=tenant_id), now)
    return rows.filter(filename=filename) if filename is not None else rows


def get_file(tenant_id: UUID, file_id: UUID | str, *, now: datetime) -> File:
    """One file of the tenant; raises `NotFound`, also for a malformed id."""
    return one(_lasting(File.across_tenants.filter(tenant_id=tenant_id), now), file_id)


def files_of(tenant_id: UUID, ids: Collection[UUID], *, now: datetime) -> Mapping[UUID, File]:
    """Those of these files that the tenant has."""
    rows = _lasting(File.across_tenants.filter(tenant_id=tenant_id, pk__in=ids), now)
    return {file.pk: file for file in rows}


def linked(file_id: str, *, now: datetime) -> Kept:
    """The file that a signed link names; raises `NotFound` when it, or its tenant, is gone."""
    rows = File.across_tenants.exclude(tenant__status=Tenant.Status.CLOSED)
    file = one(_lasting(rows, now), file_id)
    return Kept(filename=file.filename, content_type=file.content_type, size=file.size, blob=file.blob)


def named_by_files(references: Collection[str]) -> set[str]:
    """Which of these blobs a file names; asked across tenants, by whoever sweeps the store."""
    return set(File.across_tenants.filter(blob__in=references).values_list("blob", flat=True))


def _lasting(rows: QuerySet[File], now: datetime) -> QuerySet[File]:
    return rows.filter(Q(expires_at=None) | Q(expires_at__gt=now))
