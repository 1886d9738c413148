"""Claim a batch: lock → guard → journal, in one transaction and one commit."""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from django.db import transaction

from emails.delivery import pacing
from emails.delivery.composing import Claimed
from emails.delivery.guards import Facts, as_move, first_stop
from emails.delivery.left_out import LeftOut, leave_out
from emails.events import transitions
from emails.messages.lifecycle import Input
from emails.messages.queue import claiming, settling
from emails.messages.queue.claiming import PendingRecipient, Picked
from emails.suppressions.selectors import which_are_suppressed
from mailgrid.core.bells import Priority

BATCH: Final = 50

Summary = Counter[str]

_last_tenant: dict[Priority, UUID] = {}  # where the ring of tenants goes on in this process


def claim_batch(priority: Priority, *, now: datetime) -> tuple[Summary, list[Claimed]]:
    """A suspect alone, else a fair batch over the lanes that have tokens; and what the guards did to the rest."""
    lanes = claiming.lanes(priority)
    random.shuffle(lanes)  # where there are more of them than tokens, everybody's turn comes
    granted = pacing.grant(lanes, wanted=BATCH) if lanes else {}
    if not granted:
        return Counter(), []
    with transaction.atomic():
        picked = claiming.pick_suspect(priority, granted) or _pick(priority, granted)
        summary, claimed = _guard(picked, now=now)
        claiming.journal([one.row for one in claimed], now=now)
        settling.project_messages({one.row.message_id: "" for one in claimed})
    _return_tokens(granted, claimed)
    return summary, claimed


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


def _guard(picked: Sequence[Picked], *, now: datetime) -> tuple[Summary, list[Claimed]]:
    """Split into what may go and what is stopped; settle the stopped, and the recipients left out, at once."""
    recipients = _recipients_of(picked)
    suppressed = _suppressed(picked, recipients, now=now)
    stops, claimed, left_out = [], [], []
    for row in picked:
        own = recipients[row.delivery_id]
        reasons = {
            r.id: reason for r in own if (reason := suppressed.get((row.tenant_id, row.stream_id, r.address)))
        }
        take_slot = partial(pacing.take_slot, row.stream_id, row.stream_rate, now=now)
        stop = first_stop(row, Facts(now=now, recipients=own, suppressed=reasons, take_slot=take_slot))
        if stop is None or stop.input == Input.SUPPRESSED:
            left_out += [
                LeftOut(row=row, recipient_id=recipient, reason=why) for recipient, why in reasons.items()
            ]
        if stop:
            stops.append(as_move(row, stop))
            continue
        claimed.append(Claimed(row=row, recipients=[r for r in own if r.id not in reasons]))
    leave_out(left_out, now=now)  # first: each with a reason of its own
    transitions.move(stops, now=now)
    return Counter(claimed=len(claimed)) + Counter(stop.to.value for stop in stops), claimed


def _recipients_of(picked: Sequence[Picked]) -> dict[UUID, list[PendingRecipient]]:
    found: dict[UUID, list[PendingRecipient]] = defaultdict(list)
    for recipient in claiming.pending_recipients([row.delivery_id for row in picked]):
        found[recipient.delivery_id].append(recipient)
    return found


def _suppressed(
    picked: Sequence[Picked], recipients: Mapping[UUID, Sequence[PendingRecipient]], *, now: datetime
) -> dict[tuple[UUID, UUID, str], str]:
    """The reason for each (tenant, stream, address) that must not get mail. A failed look-up stops the claim."""
    asked = [
        (row.tenant_id, row.stream_id, recipient.address)
        for row in picked
        for recipient in recipients[row.delivery_id]
    ]
    return {key: found.reason for key, found in which_are_suppressed(asked, now=now).items()}


def _return_tokens(granted: Mapping[UUID, int], claimed: Sequence[Claimed]) -> None:
    used = Counter(one.row.transport_id for one in claimed)
    for transport_id, tokens in granted.items():
        pacing.give_back(transport_id, unused=tokens - used[transport_id])
