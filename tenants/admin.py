"""The app's pages in the operator console, collected from its slices for Django."""

from tenants.audit.admin import AuditEntryAdmin
from tenants.domains.admin import DomainAdmin
from tenants.files.admin import FileAdmin
from tenants.keys.admin import ApiKeyAdmin
from tenants.members.admin import MembershipAdmin, UserAdmin
from tenants.tenancy.admin import PlanAdmin, TenantAdmin

__all__ = [
    "ApiKeyAdmin",
    "AuditEntryAdmin",
    "DomainAdmin",
    "FileAdmin",
    "MembershipAdmin",
    "PlanAdmin",
    "TenantAdmin",
    "UserAdmin",
]
