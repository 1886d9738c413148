"""The sandbox inbox: what was captured instead of sent, shown without letting it do anything."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import AutocompleteSelectFilter, BooleanRadioFilter

from emails.sandbox.models import CapturedMail
from mailgrid.core.admin import ConsoleAdmin, newest
from mailgrid.core.framing import INSIDE, POLICY
from mailgrid.core.ids import parse_uuid
from mailgrid.core.showing import cut, mode, moment


@admin.register(CapturedMail)
class CapturedMailAdmin(ConsoleAdmin):
    """Newest first; the list leaves bodies alone."""

    list_display = ("when", "shown_subject", "shown_recipients", "tenant", "kind")
    list_display_links = ("when", "shown_subject")
    list_select_related = ("tenant",)
    list_filter = (("tenant", AutocompleteSelectFilter), ("test", BooleanRadioFilter))
    list_defer = ("html", "text", "headers", "attachments")
    search_fields = ("subject",)
    search_help_text = "A message's id, or words of the subject, sender or recipients of recent mail."
    ordering = ("-id",)
    change_form_template = "admin/emails/capturedmail/page.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By the message, or among the newest."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if row_id := parse_uuid(term):
            return queryset.filter(message=row_id) | queryset.filter(pk=row_id), False
        recent = newest(queryset)
        found = recent.filter(subject__icontains=term) | recent.filter(sender__icontains=term)
        return found | recent.filter(recipients__icontains=term), False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One mail, under a policy of its own."""
        context = {**(extra_context or {}), "inside": INSIDE, "title": "Captured mail"}
        response: HttpResponse = super().changeform_view(request, object_id, form_url, context)
        response["Content-Security-Policy"] = POLICY
        return response

    @admin.display(description="Captured (UTC)", ordering="id")
    def when(self, mail: CapturedMail) -> str:
        """When it would have been sent."""
        return moment(mail.at)

    @admin.display(description="Subject")
    def shown_subject(self, mail: CapturedMail) -> str:
        """Empty for sensitive streams."""
        return cut(mail.subject or "(not kept)")

    @admin.display(description="To")
    def shown_recipients(self, mail: CapturedMail) -> str:
        """The first address of the envelope, and how many more."""
        more = len(mail.recipients) - 1
        return cut(f"{mail.recipients[0]} +{more}" if more > 0 else ", ".join(mail.recipients))

    @admin.display(description="Mode")
    def kind(self, mail: CapturedMail) -> str:
        """Live or test."""
        return mode(mail.test)
