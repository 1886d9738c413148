"""Transports: what may be shown of them, and whether they can be used. The API makes and changes them."""

from typing import Any, Final

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesRadioFilter

from emails.transports import checks
from emails.transports.models import Transport, TransportCheck
from mailgrid.core.admin import ConsoleAdmin, Question, verb
from mailgrid.core.clock import now
from mailgrid.core.showing import NOTHING, badge, moment, pretty

CHECK_SECONDS: Final = 2.0  # how long the page waits for a check


@admin.register(Transport)
class TransportAdmin(ConsoleAdmin):
    """How mail leaves."""

    list_display = ("name", "kind", "owner", "pace", "over_limit", "created")
    list_select_related = ("tenant",)
    list_filter = (("tenant", AutocompleteSelectFilter), ("kind", ChoicesRadioFilter))
    list_defer = ("settings", "sealed_secrets")
    search_fields = ("name",)
    search_help_text = "A name."
    ordering = ("-id",)
    actions_detail = ("try_out",)
    fields = (
        ("name", "kind"),
        ("owner", "pace"),
        ("over_limit", "created"),
        "last_check",
        "shown_settings",
    )
    readonly_fields = ("owner", "pace", "created", "last_check", "shown_settings")

    @verb("Check", icon="network_check")
    def try_out(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Whether it lets us in."""
        text = "A worker connects and authenticates. Nothing is sent."
        question = Question(title="Check", text=text, button="Check it")

        def work(row: Transport, _answers: dict[str, Any]) -> str | HttpResponse:
            found = checks.awaited(checks.ask(row, now=now()), seconds=CHECK_SECONDS)
            if found.state in checks.OPEN:
                return "A worker is at it. Its answer will stand on this page."
            if found.state == TransportCheck.State.OK:
                return f"{row.name} lets us in."
            messages.error(request, f"{row.name} cannot be used: {_words(found)}")
            return redirect(self._address(row))

        return self.ask(request, question, work, object_id=object_id)

    @admin.display(description="Last check (UTC)")
    def last_check(self, transport: Transport) -> str:
        """What it found, if it was not long ago."""
        try:
            found = checks.latest(transport)
        except checks.CheckNotFound:
            return NOTHING
        state = "pending" if found.state in checks.OPEN else str(found.state)
        return format_html(
            "{} {} {}", badge(state), moment(found.checked_at or found.requested_at), _words(found)
        )

    @admin.display(description="Owner")
    def owner(self, transport: Transport) -> str:
        """Whose it is."""
        return str(transport.tenant) if transport.tenant else "everybody"

    @admin.display(description="Limits")
    def pace(self, transport: Transport) -> str:
        """How much it takes."""
        limits = {"minute": transport.per_minute, "hour": transport.per_hour, "day": transport.per_day}
        return ", ".join(f"{limit:,} a {span}" for span, limit in limits.items() if limit) or "none"

    @admin.display(description="Created (UTC)", ordering="id")
    def created(self, transport: Transport) -> str:
        """Since when it is there."""
        return moment(transport.created_at)

    @admin.display(description="Settings")
    def shown_settings(self, transport: Transport) -> str:
        """Without secrets: they are kept apart."""
        return pretty(transport.settings)


def _words(check: TransportCheck) -> str:
    return " ".join(part for part in (check.error_class, check.error_code, check.error_message) if part)
