"""A transport for tests: takes everything in memory, can be told to fail, remembers every call."""

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import ClassVar

from emails.composition.envelope import Envelope
from emails.delivery.ports import Answer, AttemptKey, DoubtRule, Receipt, TransportError


class MemoryTransport:
    """Obeys the port like any other adapter.

    `failures` holds answers that replace the next receipts, one per envelope; a failure of class `DOUBT` is answered
    after the mail was taken, as when an answer is lost on its way.
    """

    doubt_rule: ClassVar[DoubtRule] = "ask"
    touches_database: ClassVar[bool] = False

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.calls = 0
        self.failures: deque[TransportError] = deque()
        self._lock = threading.Lock()

    def plan(self, envelopes: Sequence[Envelope]) -> Sequence[Sequence[Envelope]]:
        return [[envelope] for envelope in envelopes]

    def send(self, call: Sequence[Envelope], *, deadline: float) -> Sequence[Answer]:
        with self._lock:
            self.calls += 1
            return [self._answer(envelope) for envelope in call]

    def recall(self, attempts: Sequence[AttemptKey]) -> Mapping[AttemptKey, Receipt] | None:
        with self._lock:
            known = {
                AttemptKey(delivery_id=envelope.delivery_id, fence=envelope.fence): _receipt(envelope)
                for envelope in self.taken
            }
        return {key: known[key] for key in attempts if key in known}

    def check(self) -> TransportError | None:
        return None

    def max_send_rate(self) -> float | None:
        return None

    def close(self) -> None:
        """Nothing is held open."""

    def _answer(self, envelope: Envelope) -> Answer:
        failure = self.failures.popleft() if self.failures else None
        if failure is None or failure.kind == "doubt":
            self.taken.append(envelope)
        return failure or _receipt(envelope)


def _receipt(envelope: Envelope) -> Receipt:
    return Receipt(provider_message_id=f"memory-{envelope.delivery_id}-{envelope.fence}")
