"""What came, and when."""

import re
import time
from array import array
from typing import Final

MARK: Final = b"marked-"  # begins the address of a mail whose arrival is to be told apart from the others'
_MARKED: Final = re.compile(rb"marked-(\d+)@")


class Counts:
    """What all connections share. Times are time.monotonic seconds."""

    def __init__(self) -> None:
        self.forget()

    def forget(self, delay_seconds: float = 0.0) -> None:
        """From zero."""
        self.arrivals = array("d")
        self.marked: dict[int, float] = {}
        self.single = self.bulk = self.smtp = 0
        self.delay_seconds = delay_seconds

    def take(self, content: bytes, *, mails: int = 1) -> int:
        """Mails that came together; the place of the first."""
        at, first = time.monotonic(), len(self.arrivals)
        self.arrivals.extend([at] * mails)
        if MARK in content:
            for mark in _MARKED.findall(content):
                self.marked.setdefault(int(mark), at)
        return first
