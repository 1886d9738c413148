"""Find templates and versions, and tell a send what it needs to know of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet

from mailgrid.core.cache import TenantCache
from mailgrid.core.errors import Conflict, InvalidParameter, NotFound
from mailgrid.core.ids import parse_uuid
from mailgrid.core.scoping import current_scope
from templates.diffing import unified
from templates.models import Template, TemplateVersion, Written
from templates.rendering import Content, Programs, programs

DRAFT: Final = "draft"
LIVE: Final = "live"
STATUSES: Final = ("draft", "published", "archived")
HEAVY: Final = ("html", "text", "test_data")


class TemplateNotFound(NotFound):
    """No template of this id, alias or name in the tenant."""


class VersionNotFound(NotFound):
    """The template has no version of this number."""


class NotPublished(Conflict):
    """It was never published, so there is nothing that can be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sendable:
    """A published version as a send needs it. `sender` and `reply_to` of None and () leave it to the stream."""

    template_id: UUID
    version_id: UUID
    number: int
    sender: str | None
    reply_to: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Unified lines of each part; from and to are numbers, or None for the draft."""

    before: int | None
    after: int | None
    subject: list[str]
    html: list[str]
    text: list[str]


def listed(*, statuses: Sequence[str], tags: Sequence[str], name: str | None) -> QuerySet[Template]:
    """Templates of the tenant in scope without their bodies; an empty filter lets all through but archived ones.

    `tags` are names, or `name:value`; one that fits is enough. `name` is a part of the name, in any case.
    """
    rows: QuerySet[Template] = Template.objects.select_related("live").defer(*HEAVY, *_of_live())
    rows = rows.filter(_in_status(statuses or STATUSES[:2]))
    if name is not None:
        rows = rows.filter(name__icontains=name)
    if not tags:
        return rows
    # A tenant has a thousand at the most, and the databases read JSON each in its own way.
    tagged = rows.select_related(None).only("pk", "tags")
    return rows.filter(pk__in=[row.pk for row in tagged if _tagged(row.tags, tags)])


def find(wanted: str) -> Template:
    """The template of the tenant in scope with this id, else alias, else name; raises `TemplateNotFound`.

    An archived one is found by its id.
    """
    return pick(Template.objects.select_related("live"), wanted)


def pick(rows: QuerySet[Template], wanted: str) -> Template:
    """The one of `rows` that `wanted` names; raises `TemplateNotFound`."""
    if "\0" in wanted:  # a path may hold one, and PostgreSQL fails on it
        raise TemplateNotFound("There is no such template.")
    by_id = parse_uuid(wanted)
    open_one = Q(archived_at=None) & (Q(alias=wanted) | Q(name=wanted))
    found = list(rows.filter(Q(pk=by_id) | open_one))
    if not found:
        raise TemplateNotFound("There is no such template.")
    return max(found, key=lambda row: (row.pk == by_id, row.alias == wanted))


def content(template: Template, version: str | None) -> Written:
    """The draft, the live version or one by its number; raises `VersionNotFound` and `InvalidParameter`.

    `template` is the draft itself.
    """
    if version in (None, DRAFT):
        return template
    if version == LIVE:
        if template.live is None:
            raise VersionNotFound("This template has not been published.")
        return template.live
    if not (version and version.isascii() and version.isdecimal() and len(version) <= 6):
        raise InvalidParameter("version is draft, live or a number.")
    return numbered(template, int(version))


def numbered(template: Template, number: int) -> TemplateVersion:
    """A version by its number; raises `VersionNotFound`."""
    version: TemplateVersion | None = TemplateVersion.objects.filter(template=template, number=number).first()
    if version is None:
        raise VersionNotFound(f"There is no version {number}.")
    return version


def versions(wanted: str) -> tuple[Template, QuerySet[TemplateVersion]]:
    """A template and all its versions without their bodies; raises `TemplateNotFound`."""
    template = find(wanted)
    rows = TemplateVersion.objects.filter(template=template)
    return template, rows.defer("html", "text", "prepared_html", "prepared_text")


def version_of(wanted: str, number: str) -> tuple[Template, TemplateVersion]:
    """A template and one of its versions; raises `TemplateNotFound` and `VersionNotFound`."""
    template = find(wanted)
    if not (number.isascii() and number.isdecimal() and len(number) <= 6):
        raise VersionNotFound("There is no such version.")
    return template, numbered(template, int(number))


def difference(wanted: str, *, before: str | None, after: str | None) -> Difference:
    """What changed from one version to another, or to the draft.

    Without `before` it is the live version, without `after` the draft. Raises what `content` raises.
    """
    template = find(wanted)
    old, new = content(template, before or LIVE), content(template, after)
    return Difference(
        before=_number(old),
        after=_number(new),
        subject=unified(old.subject, new.subject),
        html=unified(old.html, new.html),
        text=unified(old.text, new.text),
    )


# ---- For sending ----------------------------------------------------------------------------------------------------

_MOST_NAMES: Final = 1_000  # of a tenant, remembered; then afresh
_sendable: TenantCache[dict[tuple[str, int | None], Sendable]] = TenantCache()


def sendable(wanted: str, *, number: int | None = None) -> Sendable:
    """The live version, or one by its number, of a template of the tenant in scope.

    As of at most five seconds ago. Raises `TemplateNotFound`, `VersionNotFound`, and `NotPublished` where none is live
    or the template is archived.
    """
    tenant_id = current_scope().tenant_id
    known = _sendable.get(tenant_id)
    if known is None or len(known) >= _MOST_NAMES:
        known = {}
        _sendable.put(tenant_id, known)
    key = (wanted, number)
    if key not in known:
        known[key] = _look_up(wanted, number)
    return known[key]


def programs_of(version_ids: Iterable[UUID]) -> Mapping[UUID, Programs]:
    """The compiled programs of versions of any tenant: for workers, who take the ids from their messages.

    One query for those this process does not know, none for the others. A version that is gone is not in the answer.
    """
    known, unknown = {}, []
    for version_id in set(version_ids):
        if (kept := programs.get(version_id)) is not None:
            known[version_id] = kept
        else:
            unknown.append(version_id)
    if unknown:
        for version in TemplateVersion.across_tenants.filter(pk__in=unknown):
            known[version.pk] = programs.put(version.pk, prepared_content(version))
    return known


def prepared_content(version: TemplateVersion) -> Content:
    """What is rendered of a version."""
    return Content(
        subject=version.subject,
        html=version.prepared_html,
        text=version.prepared_text,
        variables=version.declared,
    )


def _look_up(wanted: str, number: int | None) -> Sendable:
    template = pick(Template.objects.select_related("live").defer(*HEAVY, *_of_live()), wanted)
    if template.archived_at is not None or template.live is None:
        raise NotPublished("This template has no published version.")
    version = template.live if number is None else numbered(template, number)
    return Sendable(
        template_id=template.pk,
        version_id=version.pk,
        number=version.number,
        sender=version.sender,
        reply_to=tuple(version.reply_to),
    )


def _in_status(statuses: Sequence[str]) -> Q:
    chosen = Q(pk__in=[])
    for status in statuses:
        open_one = Q(archived_at=None)
        chosen |= {
            "archived": Q(archived_at__isnull=False),
            "draft": open_one & Q(newest=0),
            "published": open_one & Q(newest__gt=0),
        }[status]
    return chosen


def _tagged(tags: Mapping[str, Any], wanted: Sequence[str]) -> bool:
    return any(word in tags or f"{name}:{value}" == word for word in wanted for name, value in tags.items())


def _of_live() -> list[str]:
    return [f"live__{name}" for name in ("html", "text", "prepared_html", "prepared_text")]


def _number(written: Written) -> int | None:
    return written.number if isinstance(written, TemplateVersion) else None
