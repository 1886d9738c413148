"""A lean HTTP client on kept connections, and a crowd of them in threads."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit


class Connection:
    """One kept connection with a key."""

    def __init__(self, url: str, key: str) -> None:
        self._http = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and parsed answer."""
        data = None if body is None else json.dumps(body)
        self._http.request(method, path, data, self._headers)
        response = self._http.getresponse()
        return response.status, json.loads(response.read())


def crowd(clients: int, each: int, connect: Callable[[], Connection], body: Any) -> tuple[list[float], float]:
    """Every client posts `each` emails as fast as it can: seconds of each accept, and of the whole."""
    taken: list[float] = []
    refused: list[int] = []

    def run() -> None:
        connection = connect()
        for _ in range(each):
            started = time.perf_counter()
            status, _ = connection.call("POST", "/api/emails", body)
            taken.append(time.perf_counter() - started)
            if status != 200:
                refused.append(status)

    threads = [threading.Thread(target=run) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    if refused:
        raise RuntimeError(f"{len(refused)} requests were not accepted, the first with {refused[0]}")
    return taken, seconds
