"""Tenants and plans."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesRadioFilter, RelatedDropdownFilter

from mailgrid.core.admin import FormAdmin, Question, on_list, verb
from mailgrid.core.clock import now
from mailgrid.core.errors import Conflict
from mailgrid.core.showing import badge, moment, pretty
from tenants.audit.admin import actor_of
from tenants.tenancy import forms, plans, services
from tenants.tenancy.models import Plan, Tenant


@admin.register(Tenant)
class TenantAdmin(FormAdmin):
    """The hosted organisations."""

    list_display = ("name", "slug", "plan", "state", "mail", "created")
    list_select_related = ("plan",)
    list_filter = (
        ("status", ChoicesRadioFilter),
        ("paused", BooleanRadioFilter),
        ("plan", RelatedDropdownFilter),
    )
    search_fields = ("name", "slug")
    search_help_text = "A name or slug."
    ordering = ("-id",)
    actions = ("pause_chosen", "resume_chosen")
    actions_detail = ("edit", "pause", "resume", "suspend", "activate", "close")
    fields = (
        ("name", "slug"),
        ("plan", "operator"),
        ("state", "mail"),
        ("created", "closed"),
        "status_reason",
        ("in_force", "own_limits"),
        "own_settings",
    )
    readonly_fields = ("state", "mail", "created", "closed", "own_limits", "in_force", "own_settings")

    def offered(self, row: Tenant) -> list[str]:
        """Nothing for a closed one; its switches the other way round."""
        if row.status == Tenant.Status.CLOSED:
            return []
        switches = ["resume" if row.paused else "pause"]
        if row.status == Tenant.Status.SUSPENDED:
            switches.append("activate")
        elif not row.operator:
            switches.append("suspend")
        return ["edit", *switches, *([] if row.operator else ["close"])]

    def add(self, request: HttpRequest) -> HttpResponse:
        """Create a tenant."""
        question = Question(
            title="Add a tenant",
            text="It gets a stream for each type of mail. Limits that are left empty are its plan's.",
            button="Add",
            form=forms.TenantForm,
        )

        def work(_row: Any, answers: dict[str, Any]) -> str:
            values = forms.values_of(answers)
            tenant = services.create_tenant(values=values, actor=actor_of(request), now=now())
            return f"{tenant.name} is there. Give it a domain and a key."

        return self.ask(request, question, work)

    @verb("Edit", icon="edit")
    def edit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change name, slug, plan and limits."""
        question = Question(
            title="Edit",
            text="A limit that is left empty stays as it is.",
            button="Save",
            form=forms.TenantChangeForm,
            initial=forms.as_initial,
        )

        def work(row: Tenant, answers: dict[str, Any]) -> str:
            values = forms.values_of(answers)
            services.update(tenant_id=row.pk, values=values, actor=actor_of(request), now=now())
            return "Saved."

        return self.ask(request, question, work, object_id=object_id)

    @verb("Pause", icon="pause")
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Hold all of its mail."""
        text = "Its mail is accepted and held until it is resumed."
        return self._switch(
            request, object_id, services.pause, Question(title="Pause", text=text, button="Pause")
        )

    @verb("Resume", icon="play_arrow")
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let its mail go."""
        text = "What was held for the pause goes out."
        return self._switch(
            request, object_id, services.resume, Question(title="Resume", text=text, button="Resume")
        )

    @verb("Suspend", icon="block", danger=True)
    def suspend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stop it, and say why."""
        question = Question(
            title="Suspend",
            text="The tenant may still read, but neither send nor change anything. It is told the reason.",
            button="Suspend",
            form=forms.ReasonForm,
            danger=True,
        )
        return self._switch(request, object_id, services.suspend, question)

    @verb("Activate", icon="check")
    def activate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End a suspension."""
        text = "The suspension ends; a pause of the tenant's own stays."
        return self._switch(
            request, object_id, services.activate, Question(title="Activate", text=text, button="Activate")
        )

    @verb("Close", icon="delete_forever", danger=True)
    def close(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End it for good."""
        text = "Its keys stop at once and nothing opens it again. This cannot be undone."
        question = Question(title="Close", text=text, button="Close the tenant", danger=True)
        return self._switch(request, object_id, services.close, question)

    @on_list("Pause")
    def pause_chosen(self, request: HttpRequest, chosen: QuerySet[Tenant]) -> None:
        """Hold the mail of each."""
        self._switch_all(request, chosen, services.pause, "paused")

    @on_list("Resume")
    def resume_chosen(self, request: HttpRequest, chosen: QuerySet[Tenant]) -> None:
        """Let the mail of each go."""
        self._switch_all(request, chosen, services.resume, "resumed")

    def _switch(
        self, request: HttpRequest, object_id: str, service: Callable[..., Tenant], question: Question
    ) -> HttpResponse:
        def work(row: Tenant, answers: dict[str, Any]) -> str:
            service(tenant_id=row.pk, actor=actor_of(request), now=now(), **answers)
            return f"Done: {question.title.lower()}."

        return self.ask(request, question, work, object_id=object_id)

    def _switch_all(
        self, request: HttpRequest, chosen: QuerySet[Tenant], service: Callable[..., Tenant], done: str
    ) -> None:
        def work() -> str:
            for tenant in chosen:  # each has a chain of audit entries of its own
                service(tenant_id=tenant.pk, actor=actor_of(request), now=now())
            return f"{len(chosen)} {done}."

        self.tell(request, work)

    @admin.display(description="Status", ordering="status")
    def state(self, tenant: Tenant) -> str:
        """The operator's word on it."""
        return badge(tenant.status)

    @admin.display(description="Mail", ordering="paused")
    def mail(self, tenant: Tenant) -> str:
        """Whether its own switch is on."""
        return badge("paused" if tenant.paused else "on")

    @admin.display(description="Created (UTC)", ordering="id")
    def created(self, tenant: Tenant) -> str:
        """Since when it is there."""
        return moment(tenant.created_at)

    @admin.display(description="Closed (UTC)")
    def closed(self, tenant: Tenant) -> str:
        """When it ended."""
        return moment(tenant.closed_at)

    @admin.display(description="Its own limits")
    def own_limits(self, tenant: Tenant) -> str:
        """What differs from the plan."""
        return pretty(tenant.limits)

    @admin.display(description="Limits in force")
    def in_force(self, tenant: Tenant) -> str:
        """Its own, its plan's, and the defaults."""
        return pretty(tenant.effective_limits.model_dump())

    @admin.display(description="Settings it has changed")
    def own_settings(self, tenant: Tenant) -> str:
        """What it has set through the API."""
        return pretty(tenant.settings)


@admin.register(Plan)
class PlanAdmin(FormAdmin):
    """Named limits."""

    list_display = ("name", "shown_limits", "created")
    search_fields = ("name",)
    ordering = ("name",)
    actions_detail = ("edit", "remove")
    fields = ("name", "shown_limits", "created")
    readonly_fields = ("shown_limits", "created")

    def add(self, request: HttpRequest) -> HttpResponse:
        """Create a plan."""
        text = "Limits that are left empty are Mailgrid's defaults."
        question = Question(title="Add a plan", text=text, button="Add", form=forms.PlanForm)

        def work(_row: Any, answers: dict[str, Any]) -> str:
            values: plans.PlanValues = {"name": answers["name"], "limits": forms.limits_of(answers)}
            plan = plans.create_plan(
                operator_id=operator_id(), values=values, actor=actor_of(request), now=now()
            )
            return f"The plan {plan.name} is there."

        return self.ask(request, question, work)

    @verb("Edit", icon="edit")
    def edit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Change name and limits."""
        question = Question(
            title="Edit",
            text="Its tenants feel it within 5 seconds. A limit that is left empty stays as it is.",
            button="Save",
            form=forms.PlanForm,
            initial=lambda plan: {"name": plan.name, **plan.limits},
        )

        def work(row: Plan, answers: dict[str, Any]) -> str:
            values: plans.PlanValues = {"name": answers["name"], "limits": forms.limits_of(answers)}
            plans.update_plan(
                operator_id=operator_id(),
                plan_id=str(row.pk),
                values=values,
                actor=actor_of(request),
                now=now(),
            )
            return "Saved."

        return self.ask(request, question, work, object_id=object_id)

    @verb("Delete", icon="delete", danger=True)
    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Remove a plan without tenants."""
        text = "Only a plan that no tenant is on can be deleted."
        question = Question(title="Delete", text=text, button="Delete the plan", danger=True)

        def work(row: Plan, _answers: dict[str, Any]) -> HttpResponse:
            plans.delete_plan(
                operator_id=operator_id(), plan_id=str(row.pk), actor=actor_of(request), now=now()
            )
            return self.gone(request, f"The plan {row.name} is deleted.")

        return self.ask(request, question, work, object_id=object_id)

    @admin.display(description="Limits")
    def shown_limits(self, plan: Plan) -> str:
        """What differs from the defaults."""
        return ", ".join(f"{name}: {value}" for name, value in plan.limits.items()) or "defaults"

    @admin.display(description="Created (UTC)", ordering="id")
    def created(self, plan: Plan) -> str:
        """Since when it is there."""
        return moment(plan.created_at)


def operator_id() -> UUID:
    """The tenant in whose audit trail stands what belongs to no tenant; raises `Conflict` when there is none."""
    found = Tenant.objects.filter(operator=True).values_list("pk", flat=True).first()
    if found is None:
        raise Conflict(
            "There is no operator tenant yet, in whose audit trail this would stand: run bootstrap."
        )
    return found
