"""Publish a draft, and decide which version is live."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from mailgrid.core.errors import Conflict, Invalid
from mailgrid.core.ids import uuid7
from templates.formats import Format
from templates.linting import Warned, lint
from templates.models import WRITTEN, Template, TemplateVersion
from templates.preparing import Prepared, prepare
from templates.selectors import VersionNotFound, find, numbered
from templates.services import StaleRevision, locked, refuse_unless_current
from templates.trials import check_declared_use, check_test_data, prepared_programs
from tenants.audit.services import Actor, record

MAX_VERSIONS: Final = 500  # of a template (docs/api.md, limits)


class TooManyVersions(Conflict):
    """The template has as many as it may."""


class NothingBefore(Conflict):
    """There is no version to go back to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The new version, its template, and what receivers would mind."""

    template: Template
    version: TemplateVersion
    warnings: tuple[Warned, ...]


def publish(*, wanted: str, revision: int | None, note: str, actor: Actor, now: datetime) -> Published:
    """Freeze the draft as the next version, and make it live unless another is pinned.

    Raises `TemplateNotFound`, `Archived`, `StaleRevision`, `TooManyVersions`; `TemplateRenderError` where it uses what
    it does not declare, or where test data does not render.
    """
    template = find(wanted)
    refuse_unless_current(template, revision=revision)
    prepared, warnings = checked(template)
    with transaction.atomic():
        row = locked(template, revision=template.revision)
        if row.test_data != template.test_data:
            raise StaleRevision("Its test data was changed meanwhile.")
        if row.newest >= MAX_VERSIONS:
            raise TooManyVersions(f"A template may have {MAX_VERSIONS} versions.")
        version = _version(row, prepared, warnings, note=note, now=now)
        version.save(force_insert=True)
        row.newest, row.edited, row.published_at = version.number, False, now
        if not row.pinned:
            row.live = version
        row.save(update_fields=["newest", "edited", "published_at", "live"])
        _audit(row, "template.publish", actor, now, version=version.number, note=note)
    return Published(template=row, version=version, warnings=warnings)


def roll_back(*, wanted: str, number: int | None, actor: Actor, now: datetime) -> Template:
    """Make an earlier version live until the next is published; without a number the one before the live one.

    A pin ends. Raises `TemplateNotFound`, `Archived`, `NothingBefore`, and `Invalid` for a number that does not exist.
    """
    with transaction.atomic():
        row = locked(find(wanted), revision=None)
        row.live = _before_live(row) if number is None else _named(row, number)
        row.pinned = False
        row.save(update_fields=["live", "pinned"])
        _audit(row, "template.rollback", actor, now, version=row.live.number)
    return row


def pin(*, wanted: str, number: int | None, actor: Actor, now: datetime) -> Template:
    """Make a version live and keep it so, whatever is published; None lets go, and the newest is live.

    Raises `TemplateNotFound`, `Archived`, and `Invalid` for a number that does not exist.
    """
    with transaction.atomic():
        row = locked(find(wanted), revision=None)
        if number is None:
            row.live = numbered(row, row.newest) if row.newest else None
        else:
            row.live = _named(row, number)
        row.pinned = number is not None
        row.save(update_fields=["live", "pinned"])
        _audit(row, "template.pin", actor, now, version=number)
    return row


def checked(template: Template) -> tuple[Prepared, tuple[Warned, ...]]:
    """The draft as it would be published, and its warnings; raises `TemplateRenderError`."""
    check_declared_use(template)
    prepared = prepare(format=template.format, html=template.html, text=template.text)
    programs = prepared_programs(template, prepared)
    check_test_data(template, programs, template.test_data)
    return prepared, warnings_of(template, prepared)


def warnings_of(template: Template, prepared: Prepared) -> tuple[Warned, ...]:
    """What preparing and linting have to say."""
    found = lint(
        source=template.html,
        html=prepared.html,
        text=prepared.text,
        tags=template.tags,
        check_balance=template.format == Format.HTML,
    )
    return (*prepared.warnings, *found)


def _version(
    row: Template, prepared: Prepared, warnings: tuple[Warned, ...], *, note: str, now: datetime
) -> TemplateVersion:
    return TemplateVersion(
        id=uuid7(),
        tenant_id=row.tenant_id,
        template=row,
        number=row.newest + 1,
        note=note,
        prepared_html=prepared.html,
        prepared_text=prepared.text,
        warnings=[asdict(one) for one in warnings],
        published_at=now,
        **{name: getattr(row, name) for name in WRITTEN},
    )


def _named(row: Template, number: int) -> TemplateVersion:
    try:
        return numbered(row, number)
    except VersionNotFound as error:
        raise Invalid.field("version", "not_found", error.message) from None


def _before_live(row: Template) -> TemplateVersion:
    below = row.live.number if row.live else 0
    earlier = TemplateVersion.objects.filter(template=row, number__lt=below)
    version: TemplateVersion | None = earlier.order_by("-number").first()
    if version is None:
        raise NothingBefore("There is no version before the live one.")
    return version


def _audit(row: Template, action: str, actor: Actor, now: datetime, **changes: Any) -> None:
    record(tenant_id=row.tenant_id, actor=actor, action=action, target=row, now=now, changes=changes)
