"""genro-mail-proxy as its own server module makes it, but with more sends at once to one account."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mail_proxy.api import create_app
from mail_proxy.core import MailProxy

_proxy = MailProxy(
    db_path=os.environ["GMP_DB_PATH"],
    start_active=True,
    test_mode=True,  # it sends when told to, until nothing waits: handing over is measured apart
    batch_size_per_account=1_000,
    max_concurrent_sends=10,
    max_concurrent_per_account=10,
)


@asynccontextmanager
async def _life(_app: Any) -> AsyncIterator[None]:
    await _proxy.start()
    yield
    await _proxy.stop()


app = create_app(_proxy, api_token=os.environ["GMP_API_TOKEN"], lifespan=_life)
