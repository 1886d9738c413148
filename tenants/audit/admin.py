"""The audit trail, and who acts in the console."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from mailgrid.core.admin import ConsoleAdmin, newest
from mailgrid.core.ids import parse_uuid
from mailgrid.core.showing import cut, moment, pretty
from tenants.audit.models import AuditEntry
from tenants.audit.services import Actor


def actor_of(request: HttpRequest) -> Actor:
    """The operator behind a request. The site has put `client_ip` there, the middleware `request_id`."""
    return Actor(
        type="operator",
        id=str(request.user.pk),
        ip=getattr(request, "client_ip", ""),
        request_id=getattr(request, "request_id", ""),
    )


@admin.register(AuditEntry)
class AuditEntryAdmin(ConsoleAdmin):
    """Who changed what: append-only."""

    list_display = ("when", "tenant", "action", "shown_target", "shown_actor", "ip")
    list_display_links = ("when",)
    list_select_related = ("tenant",)
    list_filter = (("tenant", AutocompleteSelectFilter),)
    list_defer = ("changes", "hash")
    search_fields = ("action",)
    search_help_text = "An action, or the id of what was changed or of who did it: among the newest entries."
    ordering = ("-id",)
    fields = (
        ("when", "tenant"),
        ("action", "target"),
        ("actor", "ip"),
        ("request_id", "seq"),
        "what_changed",
        "hash",
    )
    readonly_fields = ("when", "target", "actor", "what_changed")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """No index serves these: the newest are looked through."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if parse_uuid(term):
            rows = newest(queryset)
            return rows.filter(target_id=term.lower()) | rows.filter(actor_id=term.lower()), False
        return newest(queryset).filter(action__icontains=term), False

    @admin.display(description="When (UTC)", ordering="id")
    def when(self, entry: AuditEntry) -> str:
        """The time of the change."""
        return moment(entry.created_at)

    @admin.display(description="Target")
    def target(self, entry: AuditEntry) -> str:
        """What was changed."""
        return f"{entry.target_type} {entry.target_id}"

    @admin.display(description="Target")
    def shown_target(self, entry: AuditEntry) -> str:
        """The same on one line."""
        return cut(self.target(entry))

    @admin.display(description="Actor")
    def shown_actor(self, entry: AuditEntry) -> str:
        """The same on one line."""
        return cut(self.actor(entry))

    @admin.display(description="Actor")
    def actor(self, entry: AuditEntry) -> str:
        """Who did it."""
        return f"{entry.actor_type} {entry.actor_id}".strip()

    @admin.display(description="Changes")
    def what_changed(self, entry: AuditEntry) -> str:
        """The new values."""
        return pretty(entry.changes)
