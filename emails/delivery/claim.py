"""Claim a batch: lock → guard → journal, in one transaction and one commit."""

import random
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from emails.delivery import breaking, pacing
from emails.delivery.composing import Claimed
from emails.delivery.guards import Facts, Stop, as_move, first_stop, past_limit, past_pace
from emails.delivery.left_out import LeftOut, leave_out
from emails.events import transitions
from emails.messages.lifecycle import Input
from emails.messages.queue import claiming
from emails.messages.queue.claiming import PendingRecipient, Picked
from emails.suppressions.selectors import which_are_suppressed
from mailgrid.core import failpoints
from mailgrid.core.bells import Priority
from mailgrid.core.database import database_now

BATCH: Final = 50

Summary = Counter[str]

_NOBODY: Final[Mapping[UUID, str]] = {}

_suspect_last: set[Priority] = set()  # where this process's last claim took a suspect
_last_tenant: dict[Priority, UUID] = {}  # where the ring of tenants goes on in this process


def claim_batch(priority: Priority, *, now: datetime | None = None) -> tuple[Summary, list[Claimed]]:
    """A suspect alone, else a fair batch over the lanes that have tokens; and what the guards did to the rest.

    Counted from the database's time, which is asked only where something is queued.
    """
    queued = claiming.lanes(priority)
    if queued is None:
        return Counter(), []
    now = now or queued.asked_at or database_now()
    passable = breaking.passable(queued.transports, now=now)
    lanes = passable.lanes
    random.shuffle(lanes)  # where there are more of them than tokens, everybody's turn comes
    with pacing.allowance() as allowance:
        granted = allowance.grant(lanes, wanted=BATCH, priority=priority)
        if not granted:
            breaking.give_back_probes(passable.probing, claimed=(), now=now)
            return Counter(), []
        granted = {lane: 1 if lane in passable.probing else count for lane, count in granted.items()}
        with transaction.atomic():
            picked = _pick_in_turn(priority, granted, suspects=queued.with_suspects & granted.keys())
            summary, claimed = _guard(picked, allowance, now=now)
            claiming.journal([one.row for one in claimed], now=now)
            failpoints.reach("claim.before_commit")
        failpoints.reach("claim.after_commit")
        breaking.give_back_probes(
            passable.probing, claimed={one.row.transport_id for one in claimed}, now=now
        )
        allowance.use(one.row.transport_id for one in claimed)
    return summary, claimed


def _pick_in_turn(
    priority: Priority, granted: Mapping[UUID, int], *, suspects: Collection[UUID]
) -> list[Picked]:
    """A suspect, then a batch, then a suspect: after a machine's death there are many, and other mail is due, too."""
    if priority in _suspect_last:
        _suspect_last.discard(priority)
        if picked := _pick(priority, granted):
            return picked
    if suspects and (picked := claiming.pick_suspect(priority, suspects)):
        _suspect_last.add(priority)
        return picked
    return _pick(priority, granted)


def _pick(priority: Priority, granted: Mapping[UUID, int]) -> list[Picked]:
    start = _last_tenant.get(priority) or UUID(int=random.getrandbits(128))
    picked = [
        row
        for transport_id, count in granted.items()
        for row in claiming.pick(
            priority=priority, transport_id=transport_id, after_tenant=start, limit=count
        )
    ]
    if picked:
        served = {row.tenant_id for row in picked}
        behind = {tenant_id for tenant_id in served if tenant_id <= start}  # reached when the ring had closed
        _last_tenant[priority] = max(behind or served)
    return picked


def _guard(
    picked: Sequence[Picked],
    allowance: pacing.Allowance,
    *,
    now: datetime,
) -> tuple[Summary, list[Claimed]]:
    """Split into what may go and what is stopped; settle the stopped, and the recipients left out, at once."""
    recipients = _recipients_of(picked)
    suppressed = _suppressed(picked, recipients, now=now)
    stops = _stops(picked, recipients, suppressed, now=now)
    stops |= breaking.closed_scopes(_without(stops, picked), now=now)
    stops |= _past_limits(_without(stops, picked), allowance, now=now)
    stops |= _past_pace(_without(stops, picked), now=now)
    going = _without(stops, picked)
    gone = [row for row in picked if row.delivery_id in stops] if stops else []
    nobody = [row for row in gone if stops[row.delivery_id].input == Input.SUPPRESSED]
    left_out = [
        LeftOut(row=row, recipient_id=recipient, reason=why)
        for row in (*going, *nobody)
        for recipient, why in suppressed.get(row.delivery_id, _NOBODY).items()
    ]
    leave_out(left_out, now=now)  # first: each with a reason of its own
    moves = [as_move(row, stops[row.delivery_id]) for row in gone]
    transitions.move(moves, now=now)
    claimed = [
        Claimed(row=row, recipients=_but(recipients[row.delivery_id], suppressed.get(row.delivery_id)))
        for row in going
    ]
    return Counter(claimed=len(claimed)) + Counter(move.to.value for move in moves), claimed


def _without(stops: Mapping[UUID, Stop], rows: Sequence[Picked]) -> Sequence[Picked]:
    """Those that nothing stops. Nearly always all of them, and a look-up by a UUID costs as much as a guard."""
    return [row for row in rows if row.delivery_id not in stops] if stops else rows


def _but(
    recipients: Sequence[PendingRecipient], suppressed: Mapping[UUID, str] | None
) -> Sequence[PendingRecipient]:
    return [one for one in recipients if one.id not in suppressed] if suppressed else recipients


def _stops(
    picked: Sequence[Picked],
    recipients: Mapping[UUID, Sequence[PendingRecipient]],
    suppressed: Mapping[UUID, Mapping[UUID, str]],
    *,
    now: datetime,
) -> dict[UUID, Stop]:
    """What the rows' own facts say against sending."""
    stops: dict[UUID, Stop] = {}
    for row in picked:
        id_ = row.delivery_id
        facts = Facts(now=now, recipients=recipients[id_], suppressed=suppressed.get(id_, _NOBODY))
        if stop := first_stop(row, facts):
            stops[id_] = stop
    return stops


def _past_limits(rows: Sequence[Picked], allowance: pacing.Allowance, *, now: datetime) -> dict[UUID, Stop]:
    """Those for which their account has no place, the first in line having had theirs."""
    stops: dict[UUID, Stop] = {}
    for transport_id, own in _by("transport_id", rows):
        places = allowance.places(transport_id, len(own))
        stop = past_limit(exhausted=places.exhausted, now=now)
        stops |= {row.delivery_id: stop for row in own[places.granted :]}
    return stops


def _past_pace(rows: Sequence[Picked], *, now: datetime) -> dict[UUID, Stop]:
    """Those whose stream has no slot for them now."""
    stops: dict[UUID, Stop] = {}
    for stream_id, own in _by("stream_id", rows):
        slots = pacing.take_slots(stream_id, own[0].stream_rate, count=len(own), now=now)
        for row, free_at in zip(own, slots, strict=True):
            if stop := past_pace(free_at):
                stops[row.delivery_id] = stop
    return stops


def _by(column: str, rows: Sequence[Picked]) -> list[tuple[UUID, list[Picked]]]:
    """The rows by a column, in their order."""
    found: dict[UUID, list[Picked]] = defaultdict(list)
    for row in rows:
        found[getattr(row, column)].append(row)
    return list(found.items())


def _recipients_of(picked: Sequence[Picked]) -> dict[UUID, list[PendingRecipient]]:
    found: dict[UUID, list[PendingRecipient]] = defaultdict(list)
    for recipient in claiming.pending_recipients([row.delivery_id for row in picked]):
        found[recipient.delivery_id].append(recipient)
    return found


def _suppressed(
    picked: Sequence[Picked], recipients: Mapping[UUID, Sequence[PendingRecipient]], *, now: datetime
) -> dict[UUID, dict[UUID, str]]:
    """By delivery, the recipients that must not get mail, and why. A failed look-up stops the claim."""
    asked = [
        (row.tenant_id, row.stream_id, recipient.address)
        for row in picked
        for recipient in recipients[row.delivery_id]
    ]
    found = which_are_suppressed(asked, now=now)
    if not found:
        return {}
    return {
        row.delivery_id: {
            recipient.id: why.reason
            for recipient in recipients[row.delivery_id]
            if (why := found.get((row.tenant_id, row.stream_id, recipient.address)))
        }
        for row in picked
    }
