"""`python -m tests.fakes.ses`: run the fake until it is ended. Prints one JSON line of urls when ready."""

import argparse
import asyncio
import json
import signal
from contextlib import suppress
from pathlib import Path

from tests.fakes.ses.options import Options
from tests.fakes.ses.server import Server
from tests.fakes.ses.state import State


def main() -> None:
    """Serve as the command line says."""
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(_options()))


async def _serve(options: Options) -> None:
    state = State(options)
    server = Server(state)
    url = f"http://{options.host}:{await server.start()}"
    print(json.dumps({"url": url, "control": f"{url}/_control/", "topic_arn": options.topic_arn}), flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await server.stop()
    state.close()


def _options() -> Options:
    default = Options()
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.ses", description=__doc__)
    parser.add_argument("--host", default=default.host)
    parser.add_argument("--port", type=int, default=default.port, help="0 takes a free one")
    parser.add_argument("--region", default=default.region)
    parser.add_argument("--account-id", default=default.account_id)
    parser.add_argument("--topic-name", default=default.topic_name)
    parser.add_argument("--credential", action="append", metavar="KEY:SECRET", help="may be repeated")
    parser.add_argument("--no-verify", action="store_true", help="do not check signatures")
    parser.add_argument("--journal", type=Path, help="file of accepts, appended to")
    parser.add_argument("--fsync", action="store_true", help="make each accept durable before answering")
    parser.add_argument("--identity", type=Path, help="PEM of the SNS key and certificate, made if missing")
    parser.add_argument("--keep-requests", type=int, default=default.keep_requests)
    parser.add_argument("--max-send-rate", type=float, default=default.max_send_rate)
    parser.add_argument("--max-24-hour-send", type=float, default=default.max_24_hour_send)
    parser.add_argument("--enforce-rate", action="store_true", help="refuse what exceeds rate or quota")
    given = vars(parser.parse_args())
    verify, credentials = not given.pop("no_verify"), given.pop("credential")
    if credentials:
        given["credentials"] = dict(credential.split(":", 1) for credential in credentials)
    return Options(verify=verify, **given)


if __name__ == "__main__":
    main()
