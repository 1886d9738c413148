"""People: who may use the console, and who belongs to a tenant."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, BooleanRadioFilter
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from mailgrid.core.clock import now
from mailgrid.core.showing import badge, moment
from tenants.audit.admin import actor_of
from tenants.audit.services import record
from tenants.members.models import Membership, User

admin.site.unregister(Group)  # rights hang on people; there are few operators


@admin.register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]
    """Operators (staff) and members. Django keeps the history of what is changed here."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "operator", "active", "seen")
    list_filter = (("is_staff", BooleanRadioFilter), ("is_active", BooleanRadioFilter))
    search_fields = ("username", "email")
    ordering = ("username",)
    filter_horizontal = ()
    compressed_fields = True
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("Person", {"fields": (("first_name", "last_name"), "email")}),
        (
            "Rights",
            {"fields": ("is_active", "is_staff", "is_superuser", "user_permissions")},
        ),
        ("Times", {"fields": (("last_login", "date_joined"),)}),
    )
    readonly_fields = ("last_login", "date_joined")

    @admin.display(description="Console")
    def operator(self, user: User) -> str:
        """What the person may do here."""
        if not user.is_staff:
            return badge("")
        return badge("everything" if user.is_superuser else "operator")

    @admin.display(description="Active")
    def active(self, user: User) -> str:
        """Whether the person may log in."""
        return badge("active" if user.is_active else "disabled")

    @admin.display(description="Last log-in (UTC)", ordering="last_login")
    def seen(self, user: User) -> str:
        """When the person was last here."""
        return moment(user.last_login)


@admin.register(Membership)
class MembershipAdmin(ModelAdmin):  # type: ignore[misc]
    """Who belongs to which tenant, and gets its notices. Each change stands in the tenant's audit trail."""

    list_display = ("user", "tenant", "role", "since")
    list_select_related = ("user", "tenant")
    list_filter = (("tenant", AutocompleteSelectFilter),)
    list_filter_submit = True
    list_filter_sheet = False
    search_fields = ("user__username", "user__email")
    autocomplete_fields = ("tenant", "user")
    ordering = ("-id",)
    fields = ("tenant", "user", "role")
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A membership is moved by making another one."""
        return ("tenant", "user") if obj else ()

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        """Write the row and the trail together."""
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            self._audit(request, obj, "member.update" if change else "member.add")

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        """The same for a member who leaves."""
        with transaction.atomic():
            self._audit(request, obj, "member.remove")
            super().delete_model(request, obj)

    def _audit(self, request: HttpRequest, row: Membership, action: str) -> None:
        record(
            tenant_id=row.tenant_id,
            actor=actor_of(request),
            action=action,
            target=row,
            now=now(),
            changes={"user": str(row.user_id), "role": row.role},
        )

    @admin.display(description="Since (UTC)", ordering="id")
    def since(self, row: Membership) -> str:
        """When the person joined."""
        return moment(row.created_at)
