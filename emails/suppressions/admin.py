"""Suppressions: seen, added and lifted."""

from collections import defaultdict
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from emails.suppressions import services
from emails.suppressions.models import Suppression
from mailgrid.core.admin import FormAdmin, Question, newest, on_list, verb
from mailgrid.core.clock import now
from mailgrid.core.scoping import in_scope
from mailgrid.core.showing import badge, link, moment
from tenants.audit.admin import actor_of
from tenants.tenancy.admin import operator_id
from tenants.tenancy.models import Tenant


class NewSuppressionForm(forms.Form):
    """An address to suppress."""

    address = forms.CharField(
        max_length=254, validators=[validate_email], widget=UnfoldAdminTextInputWidget()
    )
    tenant = forms.ModelChoiceField(
        Tenant.objects.exclude(status=Tenant.Status.CLOSED).order_by("name"),
        required=False,
        empty_label="Everybody: the global list",
        widget=UnfoldAdminSelectWidget(),
    )
    note = forms.CharField(max_length=500, required=False, widget=UnfoldAdminTextInputWidget())


@admin.register(Suppression)
class SuppressionAdmin(FormAdmin):
    """Addresses that must not get mail."""

    list_display = ("address", "reason", "reach", "owner", "ends", "created")
    list_select_related = ("tenant",)
    list_filter = (("tenant", AutocompleteSelectFilter), ("origin", ChoicesDropdownFilter))
    search_fields = ("address",)
    search_help_text = "A whole address, or a part of one that was suppressed lately."
    ordering = ("-id",)
    actions = ("lift_chosen",)
    actions_detail = ("lift",)
    fields = (
        ("address", "reason"),
        ("reach", "owner"),
        ("ends", "created"),
        "because_of",
        "evidence",
        "note",
    )
    readonly_fields = ("reason", "reach", "owner", "ends", "created", "because_of")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A whole address has an index; parts are looked for among the newest."""
        term = search_term.strip().lower()
        if not term:
            return queryset, False
        if "@" in term.strip("@"):
            return queryset.filter(address=term), False
        return newest(queryset).filter(address__contains=term), False

    def add(self, request: HttpRequest) -> HttpResponse:
        """Suppress an address by hand."""
        text = "It gets no mail from the tenant, or from anybody here, until the suppression is lifted."
        question = Question(title="Suppress an address", text=text, button="Add", form=NewSuppressionForm)

        def work(_row: Any, answers: dict[str, Any]) -> str:
            tenant = answers["tenant"]
            tenant_id = tenant.pk if tenant else operator_id()
            scope = Suppression.Scope.TENANT if tenant else Suppression.Scope.GLOBAL
            wanted = services.Wanted(
                addresses=[answers["address"]], scope=scope.value, note=answers["note"] or None
            )
            with in_scope(tenant_id, test=False):
                services.add(
                    tenant_id=tenant_id, operator=True, wanted=wanted, actor=actor_of(request), now=now()
                )
            return f"{answers['address']} is suppressed."

        return self.ask(request, question, work)

    @verb("Lift", icon="lock_open")
    def lift(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Take one off the list."""
        text = "The address gets mail again, unless it is suppressed for another reason too."
        question = Question(title="Lift", text=text, button="Lift the suppression")

        def work(row: Suppression, _answers: dict[str, Any]) -> HttpResponse:
            _lift(request, [row])
            return self.gone(request, f"The suppression of {row.address} is lifted.")

        return self.ask(request, question, work, object_id=object_id)

    @on_list("Lift")
    def lift_chosen(self, request: HttpRequest, chosen: QuerySet[Suppression]) -> None:
        """Take each off the list."""
        self.tell(request, lambda: f"{_lift(request, list(chosen))} lifted.")

    @admin.display(description="Reason")
    def reason(self, row: Suppression) -> str:
        """What led to it."""
        return badge(row.origin)

    @admin.display(description="For")
    def reach(self, row: Suppression) -> str:
        """Which mail it stops."""
        return row.scope

    @admin.display(description="Tenant")
    def owner(self, row: Suppression) -> str:
        """Whose mail it stops."""
        return str(row.tenant) if row.tenant else "everybody"

    @admin.display(description="Ends (UTC)")
    def ends(self, row: Suppression) -> str:
        """Until when it counts."""
        return moment(row.expires_at)

    @admin.display(description="Since (UTC)", ordering="id")
    def created(self, row: Suppression) -> str:
        """Since when it is there."""
        return moment(row.created_at)

    @admin.display(description="Because of")
    def because_of(self, row: Suppression) -> str:
        """The message that led to it."""
        return link("emails_message", row.source_id, row.source_id) if row.source_id else badge("")


def _lift(request: HttpRequest, rows: list[Suppression]) -> int:
    """Each tenant's in one call; those of the global list stand in the operator's audit trail."""
    by_tenant: dict[UUID, list[str]] = defaultdict(list)
    for row in rows:
        by_tenant[row.tenant_id or operator_id()].append(str(row.pk))
    lifted = 0
    with transaction.atomic():
        for tenant_id, ids in by_tenant.items():
            with in_scope(tenant_id, test=False):
                lifted += len(
                    services.lift_many(
                        ids=ids, tenant_id=tenant_id, operator=True, actor=actor_of(request), now=now()
                    )
                )
    return lifted
