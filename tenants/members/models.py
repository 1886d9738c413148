"""User and Membership."""

from django.contrib.auth.models import AbstractUser
from django.db import models

from mailgrid.core.ids import uuid7
from mailgrid.core.scoping import TenantRow


class User(AbstractUser):
    """A person who can log in: an operator (`is_staff`), or a member of tenants."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)


class Membership(TenantRow):
    """A person's role in one tenant; members get the tenant's notices."""

    class Role(models.TextChoices):
        OWNER = "owner"
        ADMIN = "admin"
        DEVELOPER = "developer"
        ANALYST = "analyst"
        SUPPORT = "support"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.DEVELOPER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TenantRow.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user"], name="tenants_membership_once"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"
