"""Services for tests: what the environment names, else private instances that end with the tests.

    python -m tests.services make-this-run-on-real-services --with --its arguments

runs a command with DATABASE_URL, BROKER_URL and REDIS_URL in its environment. Each service is

- the one that `TEST_DATABASE_URL`, `TEST_BROKER_URL` or `TEST_REDIS_URL` names, used so that nothing else there is
  touched: a database of our own, a virtual host that says it is for tests, keys under a prefix of our own; else
- started from installed binaries, on a free port and in a temporary folder; else
- installed first (Debian's packages), when we are root; else the run ends with one line that says what is missing.

`installing`   binaries: found, or installed
`private`      running a server of our own for a while
`postgres` `rabbitmq` `redis`   one service each
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack

from tests.services.installing import Missing
from tests.services.postgres import postgres
from tests.services.rabbitmq import rabbitmq
from tests.services.redis import redis

__all__ = ["Missing", "postgres", "rabbitmq", "redis", "services"]


@contextlib.contextmanager
def services() -> Iterator[dict[str, str]]:
    """All three at once, as environment variables; raises `Missing`."""
    starting: dict[str, Callable[[], AbstractContextManager[str]]] = {
        "DATABASE_URL": postgres,
        "BROKER_URL": rabbitmq,
        "REDIS_URL": redis,
    }
    with ExitStack() as running, ThreadPoolExecutor(len(starting)) as pool:
        # RabbitMQ takes seconds to start, the others start meanwhile.
        entered = {name: pool.submit(running.enter_context, start()) for name, start in starting.items()}
        yield {name: future.result() for name, future in entered.items()}
