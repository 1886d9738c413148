"""The forms of the console for tenants and plans."""

from collections.abc import Mapping
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from tenants.tenancy.models import Plan, Tenant
from tenants.tenancy.services import TenantValues

_MOST = 1_000_000_000


def _limit(label: str, *, least: int = 1) -> forms.IntegerField:
    return forms.IntegerField(
        label=label, required=False, min_value=least, max_value=_MOST, widget=UnfoldAdminIntegerFieldWidget()
    )


class LimitsForm(forms.Form):
    """Limits of a plan or tenant; one that is left empty stays as it is."""

    requests_per_minute = _limit("Requests a minute")
    recipients_per_minute = _limit("Recipients a minute")
    daily_quota = _limit("Recipients a day", least=0)
    monthly_quota = _limit("Recipients a month", least=0)


def limits_of(answers: Mapping[str, Any]) -> dict[str, int]:
    """The limits that were filled in."""
    return {name: answers[name] for name in LimitsForm.base_fields if answers[name] is not None}


class PlanForm(LimitsForm):
    """A plan."""

    name = forms.CharField(max_length=60, widget=UnfoldAdminTextInputWidget())
    field_order = ("name",)


class TenantForm(LimitsForm):
    """A tenant; without a slug it gets one from its name."""

    name = forms.CharField(max_length=100, widget=UnfoldAdminTextInputWidget())
    slug = forms.CharField(max_length=40, required=False, widget=UnfoldAdminTextInputWidget())
    plan = forms.ModelChoiceField(
        Plan.objects.order_by("name"), empty_label=None, widget=UnfoldAdminSelectWidget()
    )
    field_order = ("name", "slug", "plan")


class TenantChangeForm(TenantForm):
    """The same for a tenant that is there."""

    plan_limits = forms.BooleanField(
        label="Go back to the plan's limits", required=False, widget=UnfoldBooleanSwitchWidget()
    )


def values_of(answers: Mapping[str, Any]) -> TenantValues:
    """What a service is to set."""
    values: TenantValues = {"name": answers["name"], "plan": answers["plan"].name}
    if answers["slug"]:
        values["slug"] = answers["slug"]
    if answers.get("plan_limits"):
        values["limits"] = None
    elif limits := limits_of(answers):
        values["limits"] = limits
    return values


def as_initial(tenant: Tenant) -> dict[str, Any]:
    """What the form shows of a tenant."""
    return {"name": tenant.name, "slug": tenant.slug, "plan": tenant.plan_id, **tenant.limits}


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(max_length=500, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))
