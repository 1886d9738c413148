"""The product broken on purpose, one function at a time: each time the row that holds it must fail.

    python -m tests.chaos --mutations

A row that nothing can make fail proves nothing. No file of the product is touched: `tests.chaos.mutated` replaces the
function in processes whose environment names a mutation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """What is broken, in a sentence; how; and the row that must see it."""

    sentence: str
    row: str
    apply: Callable[[], None]


def _replace(module: Any, name: str, other: Any) -> None:
    assert hasattr(module, name), f"{module.__name__} has no {name} any more: the mutation breaks nothing"
    setattr(module, name, other)


def _journal() -> None:
    from emails.messages.queue import claiming

    _replace(claiming, "journal", lambda picked, *, now: None)


def _fence() -> None:
    """Whoever settles, settles the newest claim."""
    from emails.messages.models import Delivery
    from emails.messages.queue import settling

    move_deliveries = settling._move_deliveries

    def of_the_newest(moves: Any) -> Any:
        from dataclasses import replace

        ids = [move.delivery_id for move in moves]
        fences = dict(Delivery.across_tenants.filter(pk__in=ids).values_list("pk", "fence"))
        return move_deliveries(
            [replace(move, fence=fences.get(move.delivery_id, move.fence)) for move in moves]
        )

    _replace(settling, "_move_deliveries", of_the_newest)


def _deadline() -> None:
    from emails.delivery import sending
    from mailgrid.core import failpoints

    def send(transport: Any, call: Any, deadline: float) -> Any:
        failpoints.reach("send.before_call")
        return transport.send(call, deadline=deadline + 3_600)

    _replace(sending, "_send", send)


def _watermark() -> None:
    from datetime import timedelta

    from emails.delivery import doubt

    by_events = doubt._by_events
    _replace(doubt, "_by_events", lambda one, _mark, *, now: by_events(one, now + timedelta(days=1), now=now))


def _resend() -> None:
    """What is in doubt was surely not sent."""
    from emails.delivery import doubt

    def repeat(one: Any, _mark: Any, *, now: Any) -> Any:
        return doubt._repeat_or_give_up(one, doubt._BY_SILENCE, now=now)

    _replace(doubt, "_by_events", repeat)


def _sweeper() -> None:
    from emails.delivery import sweep

    del sweep._PARTS["leases_ended"]


def _promotion() -> None:
    from emails.delivery import sweep

    del sweep._PARTS["due"]


def _idempotency() -> None:
    from mailgrid.core import idempotency

    _replace(idempotency, "claim", lambda _name, *, now, expires_at: True)
    _replace(idempotency, "stored_answer", lambda _name, *, now: None)


def _bells() -> None:
    """The request itself publishes the bell, and waits for the broker."""
    from mailgrid.core import bells
    from workers.publishing import Line

    def ring(queue: str) -> None:
        line = Line()
        try:
            line.send(queue)
        finally:
            line.close()

    _replace(bells, "_ringer", lambda _path: ring)


def _watch() -> None:
    from workers import watch

    watch.PERIODS.clear()


def _proof() -> None:
    """Events settle no doubt."""
    from emails.feedback import services

    _replace(services, "_prove_sent", lambda _targets, *, now: None)


def _poison() -> None:
    from emails.delivery import doubt

    _replace(doubt, "LONE_CRASHES", 1_000)


MUTATIONS: Final[dict[str, Mutation]] = {
    "journal": Mutation(sentence="A claim leaves no trace before the call.", row="R01", apply=_journal),
    "fence": Mutation(sentence="A late answer settles somebody else's claim.", row="R16b", apply=_fence),
    "deadline": Mutation(sentence="A call begins however late it is.", row="R16", apply=_deadline),
    "watermark": Mutation(sentence="Silence counts while our ingress is down.", row="S02", apply=_watermark),
    "resend": Mutation(sentence="A lost answer is taken for a refusal.", row="S01", apply=_resend),
    "proof": Mutation(sentence="Events settle no doubt.", row="S01", apply=_proof),
    "sweeper": Mutation(sentence="Leases of the dead never end.", row="R15", apply=_sweeper),
    "promotion": Mutation(sentence="What is due later is never promoted.", row="R18", apply=_promotion),
    "idempotency": Mutation(sentence="A repeated request is another message.", row="R14", apply=_idempotency),
    "bells": Mutation(sentence="Requests wait for the broker.", row="R08", apply=_bells),
    "watch": Mutation(sentence="Nobody looks at the rows without a bell.", row="R08", apply=_watch),
    "poison": Mutation(sentence="A poisonous mail is tried for ever.", row="R23", apply=_poison),
}
