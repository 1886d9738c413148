"""Rate limits and quotas of a tenant."""
