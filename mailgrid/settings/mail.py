"""How mail is accepted and handed over."""

from mailgrid.env import env

DEFAULT_TRANSPORT = env("DEFAULT_TRANSPORT")
SEND_THREADS = env("SEND_THREADS")
WEB_THREADS = env("WEB_THREADS")
WORKER_THREADS = env("WORKER_THREADS")
# Opens and clicks are recorded by a thread beside the web's; tests do it by hand.
HITS_RECORDED_ASIDE = True
SNS_REFUSE_SIGNATURE_V1 = env("SNS_REFUSE_SIGNATURE_V1")
# Where certificates of SNS come from: Amazon alone. No environment variable changes whom we trust.
SNS_CERTIFICATES = "workers.adapters.sns.fetch_certificate"
UNSAFE_HOSTS = frozenset(env("UNSAFE_HOSTS").split(",")) - {""}

ATTACHMENT_DIRECTORIES = env("ATTACHMENT_DIRECTORIES")

# What lives above `tenants` judges a tenant's settings, and adds its defaults to a new tenant.
TENANT_SETTINGS_CHECK = "emails.streams.services.check_tenant_settings"
TENANT_CREATED = (
    "emails.streams.services.create_default_streams",
    "templates.installing.install_builtins",
)
# Counts a tenant's accepted recipients from the rows when a quota's counter was lost.
QUOTA_COUNTER = "emails.messages.selectors.count_accepted"
# Rates and quotas: shared through Redis, or in the one process.
RATE_LIMITER = (
    "mailgrid.core.ratelimit_redis.RedisBuckets"
    if env("REDIS_URL")
    else "mailgrid.core.ratelimit.LocalBuckets"
)
QUOTA_STORE = (
    "tenants.quotas.counters_redis.RedisQuotaCounters"
    if env("REDIS_URL")
    else "tenants.quotas.counters.QuotaCounters"
)
BELL_RINGER = "workers.bells.ring"
