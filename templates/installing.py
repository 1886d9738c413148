"""Give tenants the templates of `builtin/`, published and ready to be sent."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from mailgrid.core.ids import uuid7
from templates.drafts import Draft, drafted
from templates.formats import Format
from templates.linting import lint
from templates.models import WRITTEN, Template, TemplateVersion
from templates.preparing import Prepared, prepare
from templates.variables import declared
from tenants.audit.services import SYSTEM, record
from tenants.tenancy.models import Tenant

FOLDER: Final = Path(__file__).parent / "builtin"
NAMES: Final = ("otp-code", "magic-link", "receipt", "welcome", "password-reset", "newsletter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Builtin:
    """One of ours, read, compiled and prepared."""

    name: str
    tags: dict[str, str]
    test_data: dict[str, Any]
    draft: Draft
    prepared: Prepared
    warnings: list[dict[str, str]]


def install_builtins(*, tenant: Tenant, now: datetime) -> list[str]:
    """Add what the tenant has not had yet, and answer the names. Called through the setting TENANT_CREATED.

    One that it renamed, edited or archived counts as had, and so does another template of the same name: that stays.
    """
    with transaction.atomic():
        missing = _missing(tenant.pk)
        if missing:
            templates = [_template(tenant.pk, one, now) for one in missing]
            versions = [_version(row, one, now) for row, one in zip(templates, missing, strict=True)]
            Template.across_tenants.bulk_create(templates)
            TemplateVersion.across_tenants.bulk_create(versions)
            for row, version in zip(templates, versions, strict=True):
                row.live = version
            Template.across_tenants.bulk_update(templates, ["live"])
            record(
                tenant_id=tenant.pk,
                actor=SYSTEM,
                action="template.install_builtins",
                target=tenant,
                now=now,
                changes={"names": [one.name for one in missing]},
            )
    return [one.name for one in missing]


@lru_cache(maxsize=1)
def builtins() -> tuple[Builtin, ...]:
    """All of them; read once in a process."""
    return tuple(_read(name) for name in NAMES)


def _missing(tenant_id: UUID) -> list[Builtin]:
    rows = Template.across_tenants.filter(tenant_id=tenant_id)
    had = set(rows.exclude(builtin="").values_list("builtin", flat=True))
    had |= set(rows.filter(archived_at=None, name__in=NAMES).values_list("name", flat=True))
    return [one for one in builtins() if one.name not in had] if had != set(NAMES) else []


def _read(name: str) -> Builtin:
    about = json.loads((FOLDER / f"{name}.json").read_text())
    html, text = (FOLDER / f"{name}.html").read_text(), (FOLDER / f"{name}.txt").read_text()
    draft = drafted(
        None,
        {
            "subject": about["subject"],
            "html": html,
            "text": text,
            "variables": declared(about["variables"]),
        },
    )
    prepared = prepare(format=Format.HTML, html=html, text=text)
    found = lint(source=html, html=prepared.html, text=prepared.text, tags=about["tags"])
    return Builtin(
        name=name,
        tags=about["tags"],
        test_data=about["test_data"],
        draft=draft,
        prepared=prepared,
        warnings=[asdict(one) for one in (*prepared.warnings, *found)],
    )


def _template(tenant_id: UUID, one: Builtin, now: datetime) -> Template:
    row = Template(
        id=uuid7(),
        tenant_id=tenant_id,
        name=one.name,
        builtin=one.name,
        tags=one.tags,
        test_data=one.test_data,
        edited=False,
        newest=1,
        created_at=now,
        updated_at=now,
        published_at=now,
    )
    one.draft.write_to(row)
    return row


def _version(row: Template, one: Builtin, now: datetime) -> TemplateVersion:
    return TemplateVersion(
        id=uuid7(),
        tenant_id=row.tenant_id,
        template=row,
        number=1,
        prepared_html=one.prepared.html,
        prepared_text=one.prepared.text,
        warnings=one.warnings,
        published_at=now,
        **{name: getattr(row, name) for name in WRITTEN},
    )


def install_everywhere(*, tenants: Iterable[Tenant], now: datetime) -> int:
    """The same for tenants that were there before; the number of templates that were added."""
    return sum(len(install_builtins(tenant=tenant, now=now)) for tenant in tenants)
