"""Domains: the operator vouches for the ones added here."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesRadioFilter
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from mailgrid.core.admin import FormAdmin, Question, verb
from mailgrid.core.clock import now
from mailgrid.core.showing import badge, moment
from tenants.audit.admin import actor_of
from tenants.domains import services
from tenants.domains.models import Domain
from tenants.tenancy.models import Tenant


class NewDomainForm(forms.Form):
    """A domain to add."""

    tenant = forms.ModelChoiceField(
        Tenant.objects.exclude(status=Tenant.Status.CLOSED).order_by("name"), widget=UnfoldAdminSelectWidget()
    )
    name = forms.CharField(
        label="Domain",
        max_length=253,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "mail.example.com"}),
    )


@admin.register(Domain)
class DomainAdmin(FormAdmin):
    """The names tenants send from."""

    list_display = ("name", "tenant", "state", "verified", "created")
    list_select_related = ("tenant",)
    list_filter = (("tenant", AutocompleteSelectFilter), ("status", ChoicesRadioFilter))
    search_fields = ("name",)
    search_help_text = "A domain."
    ordering = ("-id",)
    actions_detail = ("remove",)
    fields = (("name", "tenant"), "state", ("verified", "created"))
    readonly_fields = ("state", "verified", "created")

    def add(self, request: HttpRequest) -> HttpResponse:
        """Add a domain as verified."""
        question = Question(
            title="Add a verified domain",
            text="You vouch that the tenant owns it, and that the provider may send from it.",
            button="Add",
            form=NewDomainForm,
        )

        def work(_row: Any, answers: dict[str, Any]) -> str:
            domain = services.add_verified(
                tenant_id=answers["tenant"].pk, name=answers["name"], actor=actor_of(request), now=now()
            )
            return f"{answers['tenant']} may send from {domain.name}."

        return self.ask(request, question, work)

    @verb("Remove", icon="delete", danger=True)
    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Forget a domain."""
        text = "Mail from it is refused from now on."
        question = Question(title="Remove", text=text, button="Remove the domain", danger=True)

        def work(row: Domain, _answers: dict[str, Any]) -> HttpResponse:
            services.remove(tenant_id=row.tenant_id, domain_id=row.pk, actor=actor_of(request), now=now())
            return self.gone(request, f"{row.name} is removed.")

        return self.ask(request, question, work, object_id=object_id)

    @admin.display(description="Status", ordering="status")
    def state(self, domain: Domain) -> str:
        """Whether mail may come from it."""
        return badge(domain.status)

    @admin.display(description="Verified (UTC)")
    def verified(self, domain: Domain) -> str:
        """Since when."""
        return moment(domain.verified_at)

    @admin.display(description="Created (UTC)", ordering="id")
    def created(self, domain: Domain) -> str:
        """Since when it is there."""
        return moment(domain.created_at)
