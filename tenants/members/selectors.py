"""Read members."""

from uuid import UUID

from tenants.members.models import Membership


def is_member(tenant_id: UUID, address: str) -> bool:
    """Whether an address is that of a person of the tenant."""
    rows = Membership.across_tenants.filter(tenant_id=tenant_id, user__is_active=True)
    return bool(rows.filter(user__email__iexact=address).exclude(user__email="").exists())
