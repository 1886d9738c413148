"""`python -m tests.bench.bare_client URL single|bulk SECONDS`: one process of a client that only posts.

It posts one body again and again, over a pool of kept connections: no signature, nothing read but the status.
"""

import sys
import threading
import time
from typing import Final
from urllib.parse import urlsplit

import orjson
from urllib3 import HTTPConnectionPool

from tests.bench.mails import mail

ENTRIES: Final = 50
_THREADS: Final = 16  # as a worker's child has
_SENDER: Final = "Acme <hello@acme.test>"


def main(url: str, kind: str, seconds: float) -> None:
    """Post from all threads until the time is over."""
    target = urlsplit(url)
    pool = HTTPConnectionPool(target.hostname or "", target.port, maxsize=_THREADS, block=True)
    path, body = ("outbound-emails", _single()) if kind == "single" else ("outbound-bulk-emails", _bulk())
    until = time.monotonic() + seconds

    def post() -> None:
        while time.monotonic() < until:
            answer = pool.urlopen("POST", f"/v2/email/{path}", body, retries=False)
            assert answer.status == 200, answer.status

    threads = [threading.Thread(target=post) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _single() -> bytes:
    body = mail(1, sender=_SENDER, priority="high")
    content = {"Subject": {"Data": body["subject"]}, "Body": {"Html": {"Data": body["html"]}}}
    return orjson.dumps({"Destination": {"ToAddresses": body["to"]}, "Content": {"Simple": content}})


def _bulk() -> bytes:
    bodies = [mail(place, sender=_SENDER, priority="low") for place in range(ENTRIES)]
    entries = [
        {
            "Destination": {"ToAddresses": body["to"]},
            "ReplacementEmailContent": {
                "ReplacementTemplate": {"ReplacementTemplateData": orjson.dumps(body).decode()}
            },
        }
        for body in bodies
    ]
    return orjson.dumps({"BulkEmailEntries": entries})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
