"""One rate token for each request, and the headers that say how many are left."""

import math
from typing import Any, cast

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from mailgrid.core.callers import Caller
from tenants.quotas.services import RateLimited, take_request


class TenantThrottle(BaseThrottle):
    """Refuses a tenant's requests beyond its rate, each mode by itself; sets `request.rate_headers`."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Take a token; raises `RateLimited`. Routes without a key, such as the documents, have no tenant to ask."""
        if request.auth is None:
            return True
        caller = cast(Caller, request.auth)
        grant = take_request(
            tenant_id=caller.tenant_id, test=caller.test, requests_per_minute=caller.requests_per_minute
        )
        request.rate_headers = {  # type: ignore[attr-defined]
            "RateLimit-Limit": str(caller.requests_per_minute),
            "RateLimit-Remaining": str(math.floor(grant.remaining)),
            "RateLimit-Reset": str(math.ceil(grant.full_in)),
        }
        if not grant.granted:
            raise RateLimited(
                f"This tenant may make {caller.requests_per_minute:,} requests a minute.",
                retry_after=grant.retry_after,
            )
        return True
