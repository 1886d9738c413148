"""Create, edit, duplicate and archive templates, and keep their test data.

Reading what an author wrote, compiling and checking it, happens before a transaction begins: it may take seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypedDict
from uuid import UUID

from django.db import IntegrityError, transaction

from mailgrid.core.addresses import InvalidAddress, Mailbox, parse_mailbox
from mailgrid.core.errors import Conflict, FieldError, Invalid, MailgridError
from mailgrid.core.ids import uuid7
from templates.drafts import Draft, DraftValues, drafted
from templates.models import WRITTEN, Template
from templates.selectors import find, pick
from templates.variables import check_given
from tenants.audit.services import Actor, record
from tenants.domains.selectors import verified_names
from tenants.tenancy.selectors import lock_tenant

MAX_TEMPLATES: Final = 1_000  # of a tenant, archived ones excepted (docs/api.md, limits)
_MAX_ADDRESS: Final = 320  # of the column, name included
_BODIES: Final = frozenset({"html", "text", "used"})  # too long for the audit trail


class NameTaken(Conflict):
    """Another template of the tenant has this name or alias."""


class TooManyTemplates(Conflict):
    """The tenant has as many as it may."""


class StaleRevision(Conflict):
    """Somebody edited the template since the caller read it."""


class Archived(Conflict):
    """An archived template does not change any more."""


class InvalidFromAddress(MailgridError):
    """A sender that cannot be read, or whose domain the tenant has not verified."""

    name = "invalid_from_address"


class Naming(TypedDict, total=False):
    """What belongs to the template itself and takes effect at once; absent means unchanged."""

    name: str
    alias: str | None
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Archival:
    """What became of a template: forgotten for good, or kept with its versions."""

    template_id: UUID
    kept: bool


def create(*, tenant_id: UUID, naming: Naming, draft: Draft, actor: Actor, now: datetime) -> Template:
    """Add a template with its draft to the tenant in scope.

    Raises `InvalidFromAddress`, `TooManyTemplates` and `NameTaken`.
    """
    template = Template(id=uuid7(), tenant_id=tenant_id, created_at=now, updated_at=now)
    _apply(template, naming)
    draft.write_to(template)
    _check_addresses(template)
    with transaction.atomic():
        _check_count(tenant_id)
        _save(template)
        _audit(template, "template.create", actor=actor, now=now, changes={**naming})
    return template


def edit(
    *,
    wanted: str,
    naming: Naming,
    values: DraftValues,
    revision: int | None,
    actor: Actor,
    now: datetime,
) -> Template:
    """Change what is given: names and tags at once, the rest in the draft.

    Raises `TemplateNotFound`, `Archived`, `StaleRevision` (also for an edit that came in between), what `drafted`
    raises, `InvalidFromAddress` and `NameTaken`.
    """
    base = find(wanted)
    refuse_unless_current(base, revision=revision)
    draft = drafted(base, values) if values else None
    with transaction.atomic():
        template = locked(base, revision=base.revision if values else revision)
        _apply(template, naming)
        changed = draft.write_to(template) if draft else []
        _check_addresses(template)
        template.edited = template.edited or bool(changed)
        template.revision += 1
        template.updated_at = now
        _save(template)
        told = {name: getattr(template, name) for name in changed if name not in _BODIES}
        changes = {**naming, **told, "changed": [name for name in changed if name != "used"]}
        _audit(template, "template.edit", actor=actor, now=now, changes=changes)
    return template


def duplicate(*, wanted: str, name: str | None, actor: Actor, now: datetime) -> Template:
    """A new draft with the content, tags and test data of another template, archived ones too; its alias stays behind.

    Raises `TemplateNotFound`, `TooManyTemplates` and `NameTaken`; without a name it finds one that is free.
    """
    source = find(wanted)
    with transaction.atomic():
        _check_count(source.tenant_id)
        copy = Template(
            id=uuid7(),
            tenant_id=source.tenant_id,
            name=name or _free_name(source.name),
            tags=source.tags,
            test_data=source.test_data,
            created_at=now,
            updated_at=now,
            **{field: getattr(source, field) for field in WRITTEN},
        )
        _save(copy)
        _audit(copy, "template.duplicate", actor=actor, now=now, changes={"source": str(source.pk)})
    return copy


def archive(*, wanted: str, actor: Actor, now: datetime) -> Archival:
    """Take a template out of use: its versions stay for the messages that were sent with them, its names are free.

    One that was never published has nothing that anybody could refer to, and is removed. Raises `TemplateNotFound`,
    also for one that is archived.
    """
    with transaction.atomic():
        template = pick(Template.objects.filter(archived_at=None).select_for_update(), wanted)
        template_id: UUID = template.pk
        kept = template.newest > 0
        _audit(
            template,
            "template.archive" if kept else "template.delete",
            actor=actor,
            now=now,
            changes={"name": template.name, "alias": template.alias},
        )
        if kept:
            template.archived_at = template.updated_at = now
            template.save(update_fields=["archived_at", "updated_at"])
        else:
            template.delete()
    return Archival(template_id=template_id, kept=kept)


def put_test_data(*, wanted: str, sets: Mapping[str, Any], actor: Actor, now: datetime) -> Template:
    """Keep these examples in place of those before: name → variables.

    Raises `TemplateNotFound`, `Archived`, and `Invalid` for more than 256 KB.
    """
    base = find(wanted)
    check_given(sets, field="test_data", sets=True)
    with transaction.atomic():
        template = locked(base, revision=None)
        template.test_data = dict(sets)
        template.save(update_fields=["test_data"])
        _audit(template, "template.test_data", actor=actor, now=now, changes={"sets": sorted(sets)})
    return template


def locked(found: Template, *, revision: int | None) -> Template:
    """The row until the end of the transaction; raises `TemplateNotFound`, `Archived` and `StaleRevision`."""
    template = pick(Template.objects.select_for_update(), str(found.pk))
    refuse_unless_current(template, revision=revision)
    return template


def refuse_unless_current(template: Template, *, revision: int | None) -> None:
    """Raises `Archived`, and `StaleRevision` where the caller has read another revision."""
    if template.archived_at is not None:
        raise Archived("This template is archived. Duplicate it to go on with its content.")
    if revision is not None and template.revision != revision:
        raise StaleRevision(
            f"The template is at revision {template.revision}; somebody has edited revision {revision}."
        )


def _apply(template: Template, naming: Naming) -> None:
    for field, value in naming.items():
        setattr(template, field, value)


def _check_addresses(template: Template) -> None:
    if template.sender is not None:
        mailbox = _mailbox("from", template.sender)
        if mailbox.domain not in verified_names(template.tenant_id):
            raise _invalid_from("from", f"The domain {mailbox.domain} is not verified.")
        template.sender = _written("from", str(mailbox))
    template.reply_to = [
        _written(f"reply_to[{place}]", str(_mailbox(f"reply_to[{place}]", text)))
        for place, text in enumerate(template.reply_to)
    ]


def _mailbox(field: str, text: str) -> Mailbox:
    try:
        return parse_mailbox(text)
    except InvalidAddress as error:
        if field == "from":
            raise _invalid_from(field, str(error)) from None
        raise Invalid.field(field, "invalid_email", str(error)) from None


def _written(field: str, text: str) -> str:
    if len(text) > _MAX_ADDRESS:
        raise Invalid.field(field, "too_long", f"Address and name have at most {_MAX_ADDRESS} characters.")
    return text


def _invalid_from(field: str, message: str) -> InvalidFromAddress:
    return InvalidFromAddress(f"{field}: {message}", errors=[FieldError(field, "invalid_email", message)])


def _check_count(tenant_id: UUID) -> None:
    lock_tenant(tenant_id)  # two at once cannot both be the last one
    if Template.objects.filter(archived_at=None).count() >= MAX_TEMPLATES:
        raise TooManyTemplates(f"A tenant may have {MAX_TEMPLATES:,} templates.")


def _free_name(name: str) -> str:
    """`Welcome (copy)`, `Welcome (copy 2)` …, cut to what a name may have. One query."""
    taken = set(Template.objects.filter(archived_at=None).values_list("name", flat=True))
    endings = (" (copy)" if number == 1 else f" (copy {number})" for number in range(1, MAX_TEMPLATES + 2))
    return next(
        candidate for ending in endings if (candidate := name[: 100 - len(ending)] + ending) not in taken
    )


def _save(template: Template) -> None:
    try:
        with transaction.atomic():
            template.save()
    except IntegrityError:
        others = Template.objects.filter(archived_at=None).exclude(pk=template.pk)
        what = "name" if others.filter(name=template.name).exists() else "alias"
        raise NameTaken(f"Another template has this {what}.") from None


def _audit(template: Template, action: str, *, actor: Actor, now: datetime, changes: dict[str, Any]) -> None:
    record(
        tenant_id=template.tenant_id, actor=actor, action=action, target=template, now=now, changes=changes
    )
