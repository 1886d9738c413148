"""The app's models, collected from its slices for Django."""

from tenants.audit.models import AuditEntry
from tenants.domains.models import Domain
from tenants.keys.models import ApiKey
from tenants.members.models import Membership, User
from tenants.tenancy.models import Plan, Tenant

__all__ = ["ApiKey", "AuditEntry", "Domain", "Membership", "Plan", "Tenant", "User"]
