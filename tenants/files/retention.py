"""Forget files whose time is over, and sweep bytes that nobody names."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from mailgrid.core import orphans
from mailgrid.core.orphans import Named, Swept
from mailgrid.core.sql import delete_oldest
from tenants.files.models import File, StoreWalk

CHUNK: Final = 1_000
NAMES: Final = 500  # of one step through the store
WALK_EVERY: Final = timedelta(hours=6)
_WALK: Final = "orphans"


def delete_expired(*, now: datetime) -> int:
    """Forget files that expired, all there are, in chunks; how many."""
    deleted = 0
    while (chunk := delete_oldest(File.across_tenants.filter(expires_at__lte=now), limit=CHUNK)) > 0:
        deleted += chunk
    return deleted


def sweep_store(*, asked: Collection[Named], now: datetime) -> Swept | None:
    """The next step of the walk through the blob store; None while there is none to make.

    A walk begins every six hours and is gone on with wherever it was left. Two at a time do the same work twice, which
    does no harm.
    """
    walk, is_first = StoreWalk.objects.get_or_create(name=_WALK, defaults={"begun_at": now})
    if not walk.position and not is_first:
        if now - walk.begun_at < WALK_EVERY:
            return None
        walk.begun_at = now
    swept = orphans.sweep(after=walk.position, asked=asked, now=now, limit=NAMES)
    walk.position = swept.position
    walk.save(update_fields=["position", "begun_at"])
    return swept
