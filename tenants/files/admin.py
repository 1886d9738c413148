"""Files: what tenants have uploaded."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from mailgrid.core.admin import ConsoleAdmin, Question, newest, verb
from mailgrid.core.clock import now
from mailgrid.core.showing import cut, moment
from tenants.audit.admin import actor_of
from tenants.files import services
from tenants.files.models import File


@admin.register(File)
class FileAdmin(ConsoleAdmin):
    """Names, sizes and ends; what is in a file is the tenant's own affair."""

    list_display = ("name", "tenant", "content_type", "bytes", "expires", "created")
    list_select_related = ("tenant",)
    list_filter = (("tenant", AutocompleteSelectFilter),)
    search_fields = ("filename", "sha256")
    search_help_text = "A file's name or SHA-256, among the newest."
    ordering = ("-id",)
    actions_detail = ("remove",)
    fields = (("filename", "tenant"), ("content_type", "bytes"), "sha256", ("expires", "created"))
    readonly_fields = ("bytes", "expires", "created")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """Among the newest: no index serves a part of a name."""
        rows = newest(queryset) if search_term else queryset
        found: tuple[Any, bool] = super().get_search_results(request, rows, search_term)
        return found

    @verb("Delete", icon="delete", danger=True)
    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Forget a file."""
        text = "It cannot be attached any more. Mail that was accepted with it keeps its bytes."
        question = Question(title="Delete", text=text, button="Delete the file", danger=True)

        def work(row: File, _answers: dict[str, Any]) -> HttpResponse:
            services.delete(tenant_id=row.tenant_id, file_id=row.pk, actor=actor_of(request), now=now())
            return self.gone(request, f"{row.filename} is deleted.")

        return self.ask(request, question, work, object_id=object_id)

    @admin.display(description="Name", ordering="filename")
    def name(self, file: File) -> str:
        """On one line."""
        return cut(file.filename)

    @admin.display(description="Size", ordering="size")
    def bytes(self, file: File) -> str:
        """For people."""
        return filesizeformat(file.size)

    @admin.display(description="Expires (UTC)", ordering="expires_at")
    def expires(self, file: File) -> str:
        """When it goes by itself."""
        return moment(file.expires_at)

    @admin.display(description="Created (UTC)", ordering="id")
    def created(self, file: File) -> str:
        """When it was uploaded."""
        return moment(file.created_at)
