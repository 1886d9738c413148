"""A tenant: the hosted organisation, its plan, limits and settings."""
