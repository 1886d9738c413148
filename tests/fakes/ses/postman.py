"""Posts HTTP messages when they are due, and again when they are not answered, as SNS does."""

import heapq
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import urllib3

POSTS_AT_MOST = 4  # SNS: one try and three retries before a message is given up
_THREADS = 8
_TIMEOUT_SECONDS = 15.0  # SNS waits that long for an HTTP endpoint


@dataclass(order=True, slots=True)
class _Post:
    """A message on its way, ordered by the time it is due (monotonic seconds)."""

    due: float
    number: int
    url: str = field(compare=False)
    body: bytes = field(compare=False)
    headers: Mapping[str, str] = field(compare=False)
    retry_after: float = field(compare=False)
    tries: int = field(compare=False, default=0)


class Postman:
    """A few threads over one queue; they start with the first post."""

    def __init__(self, *, count: Callable[..., None]) -> None:
        self._count = count
        self._http = urllib3.PoolManager(maxsize=_THREADS, retries=False)
        self._wake = threading.Condition()
        self._posts: list[_Post] = []
        self._under_way = 0
        self._numbers = 0
        self._closed = False
        self._threads: list[threading.Thread] = []

    def post(
        self, url: str, *, body: bytes, headers: Mapping[str, str], after: float, retry_after: float
    ) -> None:
        """Post in `after` seconds; what isn't answered 2xx is repeated every `retry_after` seconds."""
        with self._wake:
            self._numbers += 1
            self._put(_Post(time.monotonic() + after, self._numbers, url, body, headers, retry_after))

    @property
    def pending(self) -> int:
        """Posts neither answered nor given up."""
        with self._wake:
            return len(self._posts) + self._under_way

    def clear(self) -> None:
        """Forget what is not yet under way."""
        with self._wake:
            self._posts.clear()

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._posts.clear()
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(timeout=0.2)  # one that waits for a silent endpoint is left behind
        self._http.clear()

    def _put(self, post: _Post) -> None:
        if self._closed:
            return
        if not self._threads:
            self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(_THREADS)]
            for thread in self._threads:
                thread.start()
        heapq.heappush(self._posts, post)
        self._wake.notify()

    def _work(self) -> None:
        while (post := self._next()) is not None:
            answered = self._try(post)
            with self._wake:
                self._under_way -= 1
                self._settle(post, answered=answered)

    def _next(self) -> _Post | None:
        """The next post when it is due; None once closed."""
        with self._wake:
            while not self._closed:
                wait = self._posts[0].due - time.monotonic() if self._posts else None
                if wait is not None and wait <= 0:
                    self._under_way += 1
                    return heapq.heappop(self._posts)
                self._wake.wait(wait)
        return None

    def _try(self, post: _Post) -> bool:
        """True when the endpoint answered 2xx."""
        try:
            response = self._http.request(
                "POST",
                post.url,
                body=post.body,
                headers=post.headers,
                timeout=_TIMEOUT_SECONDS,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError:
            return False
        return 200 <= response.status < 300

    def _settle(self, post: _Post, *, answered: bool) -> None:
        post.tries += 1
        if answered:
            self._count("events.posted")
        elif post.tries < POSTS_AT_MOST:
            self._count("events.retried")
            post.due = time.monotonic() + post.retry_after
            self._put(post)
        else:
            self._count("events.given_up")
