"""Templates, seen by operators: facts, versions, and a look at what they say that cannot act."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import AutocompleteSelectFilter, BooleanRadioFilter

from mailgrid.core.admin import ConsoleAdmin
from mailgrid.core.errors import MailgridError
from mailgrid.core.framing import INSIDE, POLICY
from mailgrid.core.scoping import in_scope
from mailgrid.core.showing import NOTHING, badge, cut, moment
from templates.models import Template, TemplateVersion
from templates.previewing import preview
from templates.sanitizing import sanitized
from templates.selectors import DRAFT, HEAVY

_SHOWN = 100  # versions on the page, the newest


@admin.register(Template)
class TemplateAdmin(ConsoleAdmin):
    """What tenants say; they write it through the API."""

    list_display = ("shown_name", "tenant", "state", "live_version", "edited_at")
    list_select_related = ("tenant", "live")
    list_filter = (("tenant", AutocompleteSelectFilter), ("pinned", BooleanRadioFilter))
    list_defer = (*HEAVY, "live__html", "live__text", "live__prepared_html", "live__prepared_text")
    search_fields = ("name", "alias")
    search_help_text = "A name or an alias."
    ordering = ("-id",)
    change_form_template = "admin/templates/template/page.html"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One template with a preview, under a policy of its own."""
        row = self.get_object(request, object_id)
        seen = {} if row is None or not self.has_view_permission(request) else _look(row, request.GET)
        context = {**(extra_context or {}), **seen, "inside": INSIDE}
        response: HttpResponse = super().changeform_view(request, object_id, form_url, context)
        response["Content-Security-Policy"] = POLICY
        return response

    @admin.display(description="Name", ordering="name")
    def shown_name(self, row: Template) -> str:
        """Cut to the column."""
        return cut(row.name)

    @admin.display(description="State")
    def state(self, row: Template) -> str:
        """Draft, published or archived."""
        return badge(row.status)

    @admin.display(description="Live version")
    def live_version(self, row: Template) -> str:
        """Its number, and whether it is pinned."""
        if row.live is None:
            return NOTHING
        return f"{row.live.number} of {row.newest}{', pinned' if row.pinned else ''}"

    @admin.display(description="Edited (UTC)", ordering="updated_at")
    def edited_at(self, row: Template) -> str:
        """When the draft or a name changed last."""
        return moment(row.updated_at)


def _look(row: Template, asked: Any) -> dict[str, Any]:
    """The page's facts, with the content and test data that were chosen; what cannot be shown is said."""
    sets = sorted(row.test_data)  # PostgreSQL keeps no order of a JSON object
    chosen = asked.get("data") if asked.get("data") in row.test_data else next(iter(sets), "")
    version = asked.get("version") or DRAFT
    versions = TemplateVersion.across_tenants.filter(template=row).order_by("-number")
    numbers = versions.defer("html", "text", "prepared_html", "prepared_text")[:_SHOWN]
    seen: dict[str, Any] = {
        "title": row.name,
        "status": badge(row.status),
        "versions": numbers,
        "contents": [(DRAFT, "Draft"), *((str(one.number), f"Version {one.number}") for one in numbers)],
        "version": version,
        "sets": sets,
        "chosen": chosen,
    }
    try:
        with in_scope(row.tenant_id, test=False):
            found = preview(wanted=str(row.pk), version=version, variables=row.test_data.get(chosen, {}))
    except MailgridError as error:
        return {**seen, "problem": error.message}
    html = found.rendered.html
    return {
        **seen,
        "rendered": found.rendered,
        "html": sanitized(html) if html else None,
        "missing": found.missing,
        "warnings": found.warnings,
    }
