"""The DNS names a tenant sends from."""
