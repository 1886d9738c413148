"""The app's models, collected from its slices for Django."""

from tenants.audit.models import AuditEntry
from tenants.domains.models import Domain
from tenants.files.models import File, StoreWalk
from tenants.keys.models import ApiKey
from tenants.members.models import Membership, User
from tenants.tenancy.models import Plan, Tenant

__all__ = ["ApiKey", "AuditEntry", "Domain", "File", "Membership", "Plan", "StoreWalk", "Tenant", "User"]
