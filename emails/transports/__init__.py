"""Provider accounts behind an adapter, a tenant's own or the operator's."""
