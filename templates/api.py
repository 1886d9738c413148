"""`/templates`: named content, its draft and its versions."""

from dataclasses import asdict
from typing import Any, Final

from django.http import HttpResponse
from django.urls import path

from mailgrid.http.answers import answer
from mailgrid.http.query import Query, as_list
from mailgrid.http.reading import MEGABYTE
from mailgrid.http.views import Endpoint
from templates import previewing, publishing, selectors, services
from templates.bodies import (
    DuplicateBody,
    ExamplesBody,
    NewTemplate,
    PreviewBody,
    PublishBody,
    TemplateChanges,
    VersionBody,
)
from templates.drafts import Draft, drafted, needed
from templates.models import Template, TemplateVersion, Written
from templates.services import Naming
from tenants.audit.services import Actor

READ, WRITE = "templates:read", "templates:write"
BODY_LIMIT: Final = 9 * MEGABYTE  # two parts of 2 MB, escaped as JSON


class Templates(Endpoint):
    """The collection."""

    scopes = {"GET": READ, "POST": WRITE}
    bodies = {"POST": NewTemplate}
    filters = ("status", "tag", "name")
    body_limit = BODY_LIMIT

    def get(self, request: Any) -> HttpResponse:
        """List them, newest first, without their bodies; archived ones only by `status`."""
        query = Query(request.GET, filters=self.filters, now=self.request_time)
        rows = selectors.listed(
            statuses=query.words("status", selectors.STATUSES),
            tags=query.words("tag"),
            name=query.text("name"),
        )
        return answer(as_list(query.page().of(rows), _show_row))

    def post(self, _request: Any) -> HttpResponse:
        """Create one with its draft."""
        return self.once("templates", prepare=self._drafted, work=self._create, status=201)

    def _drafted(self) -> tuple[Naming, Draft]:
        body = self.read(NewTemplate)
        return body.naming(), drafted(None, body.draft())

    def _create(self, asked: tuple[Naming, Draft]) -> dict[str, Any]:
        naming, draft = asked
        template = services.create(
            tenant_id=self.caller.tenant_id,
            naming=naming,
            draft=draft,
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return _show(template)


class OneTemplate(Endpoint):
    """One template, by id, alias or name."""

    scopes = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}
    bodies = {"PATCH": TemplateChanges}
    filters = ("version",)
    paged = False
    body_limit = BODY_LIMIT

    def get(self, request: Any, template: str) -> HttpResponse:
        """Read it with its draft, or with the content of another `version`: `live` or a number."""
        query = Query(request.GET, filters=self.filters, now=self.request_time)
        row = selectors.find(template)
        return answer(_show(row, selectors.content(row, query.text("version"))))

    def patch(self, _request: Any, template: str) -> HttpResponse:
        """Edit the draft; name, alias and tags change at once."""
        body = self.read(TemplateChanges)
        row = services.edit(
            wanted=template,
            naming=body.naming(),
            values=body.draft(),
            revision=body.revision,
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer({**_kind(row), "revision": row.revision})

    def delete(self, _request: Any, template: str) -> HttpResponse:
        """Archive it; one that was never published is removed."""
        done = services.archive(wanted=template, actor=Actor.of(self.caller), now=self.request_time)
        return answer({"object": "template", "id": done.template_id, "deleted": True, "archived": done.kept})


class PublishTemplate(Endpoint):
    """The verb that freezes."""

    scopes = {"POST": WRITE}
    bodies = {"POST": PublishBody}

    def post(self, _request: Any, template: str) -> HttpResponse:
        """Make the draft the next version."""
        body = self.read(PublishBody)
        done = publishing.publish(
            wanted=template,
            revision=body.revision,
            note=body.note or "",
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer(
            {
                **_live(done.template),
                "published_version": done.version.number,
                "warnings": [asdict(one) for one in done.warnings],
            }
        )


class RollBackTemplate(Endpoint):
    """The verb that goes back."""

    scopes = {"POST": WRITE}
    bodies = {"POST": VersionBody}

    def post(self, _request: Any, template: str) -> HttpResponse:
        """Make an earlier version live until the next publish; without `version` the one before."""
        row = publishing.roll_back(
            wanted=template,
            number=self.read(VersionBody).version,
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer(_live(row))


class PinTemplate(Endpoint):
    """The verb that holds on."""

    scopes = {"POST": WRITE}
    bodies = {"POST": VersionBody}

    def post(self, _request: Any, template: str) -> HttpResponse:
        """Keep a version live whatever is published; null lets go."""
        row = publishing.pin(
            wanted=template,
            number=self.read(VersionBody).version,
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer(_live(row))


class DuplicateTemplate(Endpoint):
    """The verb that copies."""

    scopes = {"POST": WRITE}
    bodies = {"POST": DuplicateBody}

    def post(self, _request: Any, template: str) -> HttpResponse:
        """A new draft with the same content."""
        row = services.duplicate(
            wanted=template,
            name=self.read(DuplicateBody).name,
            actor=Actor.of(self.caller),
            now=self.request_time,
        )
        return answer({**_kind(row), "name": row.name}, status=201)


class PreviewTemplate(Endpoint):
    """A look; nothing is stored or sent."""

    scopes = {"POST": READ}
    bodies = {"POST": PreviewBody}

    def post(self, _request: Any, template: str) -> HttpResponse:
        """Render the draft, or another `version`, with any variables."""
        body = self.read(PreviewBody)
        seen = previewing.preview(
            wanted=template,
            version=None if body.version is None else str(body.version),
            variables=body.variables or {},
        )
        return answer(
            {
                "object": "template_preview",
                "id": seen.template.pk,
                "version": seen.number,
                "subject": seen.rendered.subject,
                "html": seen.rendered.html,
                "text": seen.rendered.text,
                "missing": list(seen.missing),
                "warnings": [asdict(one) for one in seen.warnings],
            }
        )


class Examples(Endpoint):
    """Test data: examples that every version must render."""

    scopes = {"GET": READ, "PUT": WRITE}
    bodies = {"PUT": ExamplesBody}

    def get(self, _request: Any, template: str) -> HttpResponse:
        """Read them."""
        return answer(_show_test_data(selectors.find(template)))

    def put(self, _request: Any, template: str) -> HttpResponse:
        """Put these in place of those before."""
        sets = self.read(ExamplesBody).test_data
        row = services.put_test_data(
            wanted=template, sets=sets, actor=Actor.of(self.caller), now=self.request_time
        )
        return answer(_show_test_data(row))


class Versions(Endpoint):
    """What was published."""

    scopes = {"GET": READ}

    def get(self, request: Any, template: str) -> HttpResponse:
        """List the versions, newest first, without their bodies."""
        query = Query(request.GET, filters=(), now=self.request_time)
        row, rows = selectors.versions(template)
        return answer(as_list(query.page().of(rows), lambda one: _version_head(row, one)))


class OneVersion(Endpoint):
    """One version, as it was written and as it is rendered."""

    scopes = {"GET": READ}

    def get(self, _request: Any, template: str, number: str) -> HttpResponse:
        """Read it."""
        row, version = selectors.version_of(template, number)
        return answer(
            {
                **_version_head(row, version),
                "html": version.html,
                "text": version.text,
                "prepared": {"html": version.prepared_html, "text": version.prepared_text},
            }
        )


class Diff(Endpoint):
    """What changed."""

    scopes = {"GET": READ}
    filters = ("from", "to")
    paged = False

    def get(self, request: Any, template: str) -> HttpResponse:
        """Compare two versions, or one with the draft: `from` is `live` and `to` is `draft` unless given."""
        query = Query(request.GET, filters=self.filters, now=self.request_time)
        found = selectors.difference(template, before=query.text("from"), after=query.text("to"))
        return answer(
            {
                "object": "template_diff",
                "from": found.before or "draft",
                "to": found.after or "draft",
                "subject": found.subject,
                "html": found.html,
                "text": found.text,
            }
        )


def _kind(row: Template) -> dict[str, Any]:
    return {"object": "template", "id": row.pk}


def _live(row: Template) -> dict[str, Any]:
    return {**_kind(row), "version": row.live.number if row.live else None, "pinned": row.pinned}


def _written(content: Written) -> dict[str, Any]:
    return {
        "format": content.format,
        "subject": content.subject,
        "from": content.sender,
        "reply_to": content.reply_to,
        "variables": content.variables,
        "used_variables": [
            {"key": one.name, "kind": one.kind, "required": one.required} for one in needed(content)
        ],
    }


def _show_row(row: Template, content: Written | None = None) -> dict[str, Any]:
    """A template with everything but its bodies; `content` in place of the draft's."""
    number = content.number if isinstance(content, TemplateVersion) else None
    return {
        **_kind(row),
        "name": row.name,
        "alias": row.alias,
        "status": row.status,
        **_written(content or row),
        "version": number or (row.live.number if row.live else None),
        "pinned": row.pinned,
        "current_version_id": row.live_id,
        "has_unpublished_versions": row.edited,
        "revision": row.revision,
        "tags": row.tags,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
        "published_at": row.published_at,
        "archived_at": row.archived_at,
    }


def _show(row: Template, content: Written | None = None) -> dict[str, Any]:
    shown = content or row
    return {**_show_row(row, content), "html": shown.html, "text": shown.text}


def _version_head(row: Template, version: TemplateVersion) -> dict[str, Any]:
    return {
        "object": "template_version",
        "id": version.pk,
        "template_id": row.pk,
        "version": version.number,
        "live": version.pk == row.live_id,
        **_written(version),
        "note": version.note or None,
        "warnings": version.warnings,
        "published_at": version.published_at,
    }


def _show_test_data(row: Template) -> dict[str, Any]:
    return {"object": "template_test_data", "id": row.pk, "test_data": row.test_data}


routes = [
    path("templates", Templates.as_view()),
    path("templates/<str:template>", OneTemplate.as_view()),
    path("templates/<str:template>/publish", PublishTemplate.as_view()),
    path("templates/<str:template>/rollback", RollBackTemplate.as_view()),
    path("templates/<str:template>/pin", PinTemplate.as_view()),
    path("templates/<str:template>/duplicate", DuplicateTemplate.as_view()),
    path("templates/<str:template>/preview", PreviewTemplate.as_view()),
    path("templates/<str:template>/test-data", Examples.as_view()),
    path("templates/<str:template>/versions", Versions.as_view()),
    path("templates/<str:template>/versions/<str:number>", OneVersion.as_view()),
    path("templates/<str:template>/diff", Diff.as_view()),
]
