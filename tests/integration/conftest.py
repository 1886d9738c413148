"""Redis for the tests that need a real one."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from redis import Redis

from tests.integration.redis_server import OwnRedis, restart
from tests.services import redis


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis for keys under a prefix of the test's own."""
    if named := os.environ.get("REDIS_URL"):
        yield named
        return
    with redis() as url:
        yield url


@pytest.fixture
def own_redis(redis_url: str) -> Iterator[OwnRedis]:
    """A Redis of the test's own, running."""
    with tempfile.TemporaryDirectory(prefix="mailgrid-redis-") as folder:
        server = OwnRedis(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.close()


@pytest.fixture
def use_redis(settings: Any) -> Iterator[Callable[[str], Redis]]:
    """`use_redis(url)`: this process belongs to a fleet; gives a client that sees what lies there."""

    def use(url: str) -> Redis:
        settings.REDIS_URL = url
        settings.REDIS_PREFIX = f"test-{uuid4().hex}:"
        settings.RATE_LIMITER = "mailgrid.core.ratelimit_redis.RedisBuckets"
        settings.QUOTA_STORE = "tenants.quotas.counters_redis.RedisQuotaCounters"
        restart()
        return Redis.from_url(url, decode_responses=True, protocol=2)

    yield use
    restart()


@pytest.fixture
def fleet(use_redis: Callable[[str], Redis], redis_url: str) -> Iterator[Redis]:
    """This process belongs to a fleet with a Redis that stays."""
    client = use_redis(redis_url)
    yield client
    if keys := list(client.scan_iter(f"{django_settings.REDIS_PREFIX}*")):
        client.delete(*keys)
    client.close()
