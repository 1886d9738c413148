"""Take what a tenant may use: tokens per minute, and recipients per day and month."""

from datetime import datetime
from uuid import UUID

from mailgrid.core.errors import MailgridError
from mailgrid.core.ratelimit import Bucket, Grant, limiter
from tenants.quotas.counters import Used, counters
from tenants.quotas.periods import DAY, MONTH, Period
from tenants.tenancy.selectors import TenantFacts
from tenants.tenancy.settings import Limits

_MINUTE = 60  # seconds


class RateLimited(MailgridError):
    """Too much in too short a time; `retry_after` says when it would pass."""

    name = "rate_limit_exceeded"


class DailyQuotaExceeded(MailgridError):
    """The tenant's recipients of this UTC day are used up; `retry_after` is its end."""

    name = "daily_quota_exceeded"


class MonthlyQuotaExceeded(MailgridError):
    """The tenant's recipients of this UTC month are used up; `retry_after` is its end."""

    name = "monthly_quota_exceeded"


_EXCEEDED: dict[Period, type[MailgridError]] = {DAY: DailyQuotaExceeded, MONTH: MonthlyQuotaExceeded}


def take_request(*, tenant_id: UUID, test: bool, requests_per_minute: int) -> Grant:
    """One token for one request, a batch included. The grant says whether there was one, and what is left."""
    return limiter().take(
        _bucket("requests", tenant_id, test),
        tokens=1,
        rate=requests_per_minute / _MINUTE,
        burst=requests_per_minute,
    )


def take_recipients(*, tenant_id: UUID, test: bool, limits: Limits, count: int) -> None:
    """A token for each recipient of a submission, all or none; raises `RateLimited`."""
    allowed = limits.recipients_per_minute
    grant = limiter().take(
        _bucket("recipients", tenant_id, test), tokens=count, rate=allowed / _MINUTE, burst=allowed
    )
    if grant.granted < count:
        raise RateLimited(
            f"This tenant may add {allowed:,} recipients a minute.", retry_after=max(1.0, grant.retry_after)
        )


def give_back_recipients(*, tenant_id: UUID, test: bool, limits: Limits, count: int) -> None:
    """Return the tokens of recipients that were not accepted after all."""
    allowed = limits.recipients_per_minute
    bucket = Bucket(_bucket("recipients", tenant_id, test), rate=allowed / _MINUTE, burst=allowed)
    limiter().give_back([bucket], tokens=count)


def consume(*, tenant: TenantFacts, test: bool, count: int, now: datetime) -> bool:
    """Count recipients against the tenant's quotas, all or none; call it before their rows are written.

    True when they were counted, and so may be refunded; test mode and tenants without a quota count nothing.
    Raises `DailyQuotaExceeded` or `MonthlyQuotaExceeded`; whether that means to refuse or to hold, the caller
    decides by the tenant's setting `over_quota`.
    """
    quotas = _quotas(tenant, test)
    if not quotas:
        return False
    full = counters().add(tenant.id, quotas, count, now)
    if full is not None:
        raise _EXCEEDED[full](
            f"The {full.name} quota of {quotas[full]:,} recipients is used up.",
            retry_after=full.seconds_left(now),
        )
    return True


def refund(*, tenant: TenantFacts, test: bool, count: int, now: datetime) -> None:
    """Take back what `consume` counted at `now`: nothing was accepted."""
    counters().take_back(tenant.id, _quotas(tenant, test), count, now)


def allowance_left(*, tenant: TenantFacts, test: bool, now: datetime) -> int | None:
    """How many more recipients the tenant's quotas allow today; None when nothing limits them."""
    quotas = _quotas(tenant, test)
    used: Used = counters().used(tenant.id, quotas, now)
    return min((max(0, quota - used[period]) for period, quota in quotas.items()), default=None)


def _quotas(tenant: TenantFacts, test: bool) -> dict[Period, int]:
    if test:
        return {}
    wanted = {DAY: tenant.limits.daily_quota, MONTH: tenant.limits.monthly_quota}
    return {period: quota for period, quota in wanted.items() if quota is not None}


def _bucket(kind: str, tenant_id: UUID, test: bool) -> str:
    return f"{kind}:{tenant_id}:{'test' if test else 'live'}"
