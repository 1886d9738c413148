"""People: the auth user, and their role in a tenant."""
