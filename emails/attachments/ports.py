"""What fetching needs from the network. The adapter is `workers.adapters.fetcher`."""

from collections.abc import Mapping
from typing import Protocol


class NotFetched(Exception):
    """The bytes could not be had. `code` is a word for machines; with `for_good` another try would change nothing."""

    def __init__(self, code: str, message: str, *, for_good: bool) -> None:
        super().__init__(message)
        self.code = code
        self.for_good = for_good


class Fetcher(Protocol):
    """How a worker reads what a tenant's URL names."""

    def __call__(self, url: str, *, headers: Mapping[str, str], limit: int) -> bytes:
        """The bytes at `url`, at most `limit` of them; raises `NotFetched`. Safe to share between threads."""
        ...
