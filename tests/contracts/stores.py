"""A storage of blobs that a test looks behind."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Kept:
    """What lies in it, and a way to make everything in it older."""

    names: Callable[[], list[str]]
    age: Callable[[timedelta], None]


def use(settings: Any, configured: dict[str, Any]) -> None:
    """From here on `configured` is where blobs go."""
    settings.STORAGES = {**settings.STORAGES, "blobs": configured}
