"""The provider's process; prints its ports, HTTP first."""

import asyncio
import contextlib

from tests.bench.provider.counts import Counts
from tests.bench.provider.http import HttpConnection
from tests.bench.provider.smtp import SmtpSession


async def _serve() -> None:
    counts, loop = Counts(), asyncio.get_running_loop()
    servers = [
        await loop.create_server(lambda: HttpConnection(counts), "127.0.0.1", 0, backlog=512),
        await loop.create_server(lambda: SmtpSession(counts), "127.0.0.1", 0, backlog=512),
    ]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve())
