"""Everything a running fake knows, shared by its sessions. All of it lives in one event loop."""

import tempfile
from collections import Counter, deque
from pathlib import Path

from tests.fakes.smtp.authority import Authority
from tests.fakes.smtp.faults import Faults
from tests.fakes.smtp.journal import Journal
from tests.fakes.smtp.options import Offer, Options

_KEPT_CHUNKS = 5_000


class State:
    """The parts of the fake, put together from its options.

    `heard` keeps what came over the wire, a read at a time and without the contents of mail, as (connection, bytes).
    `violations` says where a client broke the protocol; `counts` counts connections, commands and mails.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self._directory = tempfile.TemporaryDirectory(prefix="fake-smtp-")
        self.authority = Authority(Path(self._directory.name))
        self.journal = Journal(options.journal, fsync=options.fsync)
        self.faults = Faults()
        self.offer = Offer()
        self.counts: Counter[str] = Counter()
        self.heard: deque[tuple[int, bytes]] = deque(maxlen=_KEPT_CHUNKS)
        self.violations: list[str] = []
        self.connections = 0
        self.queued = 0

    def next_queue_id(self) -> str:
        """A name for a mail that no other has."""
        self.queued += 1
        return f"4F{self.queued:08X}"

    def reset(self) -> None:
        """Forget what happened and behave again. Queue ids and connections go on counting."""
        self.journal.clear()
        self.faults.replace([])
        self.offer = Offer()
        self.counts.clear()
        self.heard.clear()
        self.violations.clear()

    def close(self) -> None:
        self.journal.close()
        self._directory.cleanup()
