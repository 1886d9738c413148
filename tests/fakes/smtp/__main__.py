"""`python -m tests.fakes.smtp`: run the fake until it is ended. Prints one JSON line of where it is when ready."""

import argparse
import asyncio
import json
import signal
from contextlib import suppress
from pathlib import Path

from tests.fakes.smtp.options import Options
from tests.fakes.smtp.server import Server
from tests.fakes.smtp.state import State


def main() -> None:
    """Serve as the command line says."""
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(_options()))


async def _serve(options: Options) -> None:
    state = State(options)
    server = Server(state)
    print(json.dumps(await server.start()), flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await server.stop()
    state.close()


def _options() -> Options:
    default = Options()
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.smtp", description=__doc__)
    parser.add_argument("--host", default=default.host)
    parser.add_argument(
        "--port", type=int, default=default.port, help="plain and STARTTLS; 0 takes a free one"
    )
    parser.add_argument("--tls-port", type=int, default=default.tls_port)
    parser.add_argument("--control-port", type=int, default=default.control_port)
    parser.add_argument("--credential", action="append", metavar="USER:PASSWORD", help="may be repeated")
    parser.add_argument("--journal", type=Path, help="file of accepts, appended to")
    parser.add_argument("--fsync", action="store_true", help="make each accept durable before answering")
    parser.add_argument("--drop-content", action="store_true", help="keep no mail, only that it came")
    given = vars(parser.parse_args())
    credentials, keep_content = given.pop("credential"), not given.pop("drop_content")
    if credentials:
        given["credentials"] = dict(credential.split(":", 1) for credential in credentials)
    return Options(keep_content=keep_content, **given)


if __name__ == "__main__":
    main()
