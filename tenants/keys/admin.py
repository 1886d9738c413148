"""API keys: issued by a form that shows the token once, and revoked."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.contrib.filters.admin import AutocompleteSelectFilter, BooleanRadioFilter
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from mailgrid.core.admin import FormAdmin, Question, on_list, verb
from mailgrid.core.callers import ADMIN
from mailgrid.core.clock import now
from mailgrid.core.showing import badge, cut, mode, moment
from tenants.audit.admin import actor_of
from tenants.keys import services
from tenants.keys.models import ApiKey
from tenants.keys.scopes import SCOPES
from tenants.tenancy.models import Tenant


class NewKeyForm(forms.Form):
    """A key to issue."""

    tenant = forms.ModelChoiceField(
        Tenant.objects.exclude(status=Tenant.Status.CLOSED).order_by("name"), widget=UnfoldAdminSelectWidget()
    )
    name = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget())
    test = forms.BooleanField(
        label="Test key",
        help_text="Its mail is captured by the sandbox and never leaves.",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
    )
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in sorted(SCOPES, key=lambda scope: (scope != ADMIN, scope))],
        initial=["emails:send"],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )


@admin.register(ApiKey)
class ApiKeyAdmin(FormAdmin):
    """The keys of every tenant; only their public part is known."""

    list_display = ("name", "prefix", "tenant", "kind", "state", "shown_scopes", "used")
    list_select_related = ("tenant",)
    list_filter = (("tenant", AutocompleteSelectFilter), ("test", BooleanRadioFilter))
    search_fields = ("name", "public")
    search_help_text = "A name, or a key's public part: what stands after mg_live_."
    ordering = ("-id",)
    actions = ("revoke_chosen",)
    actions_detail = ("revoke",)
    fields = (
        ("name", "tenant"),
        ("prefix", "kind"),
        ("state", "used"),
        ("created", "expires"),
        "allowed",
        ("domains", "networks"),
        "replaces",
    )
    readonly_fields = (
        "prefix",
        "kind",
        "state",
        "used",
        "created",
        "expires",
        "allowed",
        "domains",
        "networks",
    )

    def offered(self, row: ApiKey) -> list[str]:
        """A key ends once."""
        return [] if row.revoked_at else ["revoke"]

    def add(self, request: HttpRequest) -> HttpResponse:
        """Issue a key."""
        text = "The token is shown once, on the next page, and kept nowhere."
        question = Question(title="Issue a key", text=text, button="Issue", form=NewKeyForm)

        def work(_row: Any, answers: dict[str, Any]) -> HttpResponse:
            key, token = services.issue(
                tenant_id=answers["tenant"].pk,
                new=services.NewKey(
                    name=answers["name"], scopes=frozenset(answers["scopes"]), test=answers["test"]
                ),
                by=actor_of(request),
                now=now(),
            )
            return self._show_once(request, key, token)

        return self.ask(request, question, work)

    def _show_once(self, request: HttpRequest, key: ApiKey, token: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "The new key",
            "key": key,
            "token": token,
        }
        # Like every page of the admin it is not to be stored by browsers.
        return TemplateResponse(request, "admin/tenants/apikey/issued.html", context)

    @verb("Revoke", icon="block", danger=True)
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End a key."""
        text = "It stops working everywhere within 5 seconds. This cannot be undone."
        question = Question(title="Revoke", text=text, button="Revoke the key", danger=True)

        def work(row: ApiKey, _answers: dict[str, Any]) -> str:
            services.revoke(tenant_id=row.tenant_id, key_id=str(row.pk), by=actor_of(request), now=now())
            return "The key is revoked."

        return self.ask(request, question, work, object_id=object_id)

    @on_list("Revoke")
    def revoke_chosen(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        """End each."""

        def work() -> str:
            for key in chosen:  # each has its own place in the audit trail
                services.revoke(tenant_id=key.tenant_id, key_id=str(key.pk), by=actor_of(request), now=now())
            return f"{len(chosen)} revoked."

        self.tell(request, work)

    @admin.display(description="Key")
    def prefix(self, key: ApiKey) -> str:
        """The part that may be shown."""
        return f"{key.prefix}…"

    @admin.display(description="Mode", ordering="test")
    def kind(self, key: ApiKey) -> str:
        """Live or test."""
        return mode(key.test)

    @admin.display(description="State")
    def state(self, key: ApiKey) -> str:
        """Whether it works."""
        if key.revoked_at is not None:
            return badge("revoked")
        return badge("usable" if key.is_usable(now()) else "expired")

    @admin.display(description="Scopes")
    def allowed(self, key: ApiKey) -> str:
        """What it opens."""
        return ", ".join(key.scopes)

    @admin.display(description="Scopes")
    def shown_scopes(self, key: ApiKey) -> str:
        """The same on one line."""
        return cut(self.allowed(key))

    @admin.display(description="Last used (UTC)")
    def used(self, key: ApiKey) -> str:
        """The last call with it."""
        return moment(key.last_used_at)

    @admin.display(description="Created (UTC)", ordering="id")
    def created(self, key: ApiKey) -> str:
        """When it was issued."""
        return moment(key.created_at)

    @admin.display(description="Expires (UTC)")
    def expires(self, key: ApiKey) -> str:
        """When it ends by itself."""
        return moment(key.expires_at)

    @admin.display(description="Domains")
    def domains(self, key: ApiKey) -> str:
        """What it may send from."""
        return "all of the tenant" if key.allowed_domains is None else ", ".join(key.allowed_domains)

    @admin.display(description="Networks")
    def networks(self, key: ApiKey) -> str:
        """Where it may be used from."""
        return "all" if key.allowed_ips is None else ", ".join(key.allowed_ips)
