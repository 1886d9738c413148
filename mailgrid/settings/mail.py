"""How mail is accepted and handed over."""

from mailgrid.env import env

DEFAULT_TRANSPORT = env("DEFAULT_TRANSPORT")
SEND_THREADS = env("SEND_THREADS")
WEB_THREADS = env("WEB_THREADS")
WORKER_THREADS = env("WORKER_THREADS")
SNS_REFUSE_SIGNATURE_V1 = env("SNS_REFUSE_SIGNATURE_V1")
UNSAFE_HOSTS = frozenset(env("UNSAFE_HOSTS").split(",")) - {""}

# What lives above `tenants` judges a tenant's settings, and adds its defaults to a new tenant.
TENANT_SETTINGS_CHECK = "emails.streams.services.check_tenant_settings"
TENANT_CREATED = "emails.streams.services.create_default_streams"
# Counts a tenant's accepted recipients from the rows when a quota's counter was lost.
QUOTA_COUNTER = "emails.messages.selectors.count_accepted"
BELL_RINGER = "workers.bells.ring"
