"""The transport that captures: a whole batch in one commit, and an answer to every later question."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from emails.composition.envelope import Envelope
from emails.delivery.ports import Answer, AttemptKey, ErrorClass, Receipt, TransportError
from emails.sandbox import services
from mailgrid.core.clock import now

_REFUSED = TransportError(
    kind=ErrorClass.CONTENT, code="MessageRejected", message="The simulator refuses mail for this address."
)


class SandboxTransport:
    """Keeps what it takes under (delivery, fence)."""

    def __init__(self, *, transport_id: UUID) -> None:
        self._transport_id = transport_id

    def plan(self, envelopes: Sequence[Envelope]) -> Sequence[Sequence[Envelope]]:
        return [envelopes]

    def send(self, call: Sequence[Envelope], *, deadline: float) -> Sequence[Answer]:  # noqa: ARG002 - one commit
        captured = services.capture(call, transport_id=self._transport_id, now=now())
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

    def close(self) -> None:
        """Nothing is held open."""
