"""The transport that captures: a whole batch in one commit, and an answer to every later question."""

from collections.abc import Mapping, Sequence
from typing import ClassVar
from uuid import UUID

from django.db import OperationalError

from emails.composition.envelope import Envelope
from emails.delivery.ports import Answer, AttemptKey, DoubtRule, ErrorClass, Receipt, TransportError
from emails.sandbox import services
from mailgrid.core.clock import now

_REFUSED = TransportError(
    kind=ErrorClass.CONTENT, code="MessageRejected", message="The simulator refuses mail for this address."
)


class SandboxTransport:
    """Keeps what it takes under (delivery, fence)."""

    doubt_rule: ClassVar[DoubtRule] = "ask"
    touches_database: ClassVar[bool] = True

    def __init__(self, *, transport_id: UUID) -> None:
        self._transport_id = transport_id

    def plan(self, envelopes: Sequence[Envelope]) -> Sequence[Sequence[Envelope]]:
        return [envelopes]

    def send(self, call: Sequence[Envelope], *, deadline: float) -> Sequence[Answer]:
        try:
            captured = services.capture(call, transport_id=self._transport_id, now=now())
        except OperationalError as error:  # perhaps after the commit: `recall` knows
            return [TransportError(kind=ErrorClass.DOUBT, code="database", message=str(error)) for _ in call]
        except Exception as error:  # noqa: BLE001 - the port promises answers, and nothing was committed
            if len(call) > 1:  # one mail's fault is not the others'
                return [self.send([one], deadline=deadline)[0] for one in call]
            return [TransportError(kind=ErrorClass.BUG, code=type(error).__name__, message=str(error))]
        return [
            Receipt(provider_message_id=one.provider_message_id) if one.provider_message_id else _REFUSED
            for one in captured
        ]

    def recall(self, attempts: Sequence[AttemptKey]) -> Mapping[AttemptKey, Receipt] | None:
        known = services.accepted([(key.delivery_id, key.fence) for key in attempts])
        return {
            AttemptKey(delivery_id=delivery, fence=fence): Receipt(provider_message_id=name)
            for (delivery, fence), name in known.items()
        }

    def check(self) -> TransportError | None:
        return None

    def max_send_rate(self) -> float | None:
        return None

    def close(self) -> None:
        """Nothing is held open."""
