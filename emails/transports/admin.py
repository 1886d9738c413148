"""Transports: what may be shown of them. Their secrets are sealed; the API makes and changes them."""

from django.contrib import admin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesRadioFilter

from emails.transports.models import Transport
from mailgrid.core.admin import ConsoleAdmin
from mailgrid.core.showing import moment, pretty


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
    fields = (("name", "kind"), ("owner", "pace"), ("over_limit", "created"), "shown_settings")
    readonly_fields = ("owner", "pace", "created", "shown_settings")

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
