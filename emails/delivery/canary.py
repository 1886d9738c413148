"""Canaries: mail to the provider's simulator, sent so that its events move the watermark while nothing else does.

A doubt is decided when mail sent later has been reported (`emails.delivery.doubt`). On a busy account that happens by
itself; on an idle one nothing is sent later. So an account with a doubt that waits for its watermark sends one.
"""

import random
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from emails.composition.envelope import Envelope
from emails.delivery.doubt import SLACK
from emails.delivery.ports import Misconfigured, Receipt, Transport, Transports
from emails.feedback import watermarks
from emails.messages.queue.passes import Awaiting, awaiting_events
from mailgrid.core.addresses import Mailbox, parse_mailbox
from mailgrid.core.logging import get_logger

log = get_logger(__name__)

# Amazon SES Developer Guide, "Using the mailbox simulator": accepted and reported, delivered to nobody, free of limits.
SIMULATOR: Final = Mailbox(address="success@simulator.amazonses.com", name="")
DEADLINE_SECONDS: Final = 5.0
TOTAL_SECONDS: Final = 60.0  # of one run: a silent host of one account must not use up the others' turn


def send_canaries(*, transports: Transports, now: datetime) -> Counter[str]:
    """One for each account and configuration set that has a doubt behind its watermark; how many were taken."""
    done: Counter[str] = Counter()
    until = time.monotonic() + TOTAL_SECONDS
    for waiting in _one_for_each(awaiting_events(before=now - SLACK)):
        if time.monotonic() > until:
            break
        if (transport := _hears_events(waiting.transport_id, transports)) is None:
            continue
        mark = watermarks.of(waiting.transport_id).get(waiting.configuration_set)
        if mark is None or mark <= waiting.newest + SLACK:
            done[_send(waiting, transport)] += 1
    return done


def _one_for_each(found: Sequence[Awaiting]) -> list[Awaiting]:
    """One for each account and run, by lot, so that every configuration set has its turn."""
    shuffled = random.sample(found, len(found))
    return list({one.transport_id: one for one in shuffled}.values())


def _hears_events(transport_id: UUID, transports: Transports) -> Transport | None:
    try:
        transport = transports.get(transport_id)
    except Misconfigured:  # told wherever its mail waits
        return None
    return transport if transport.doubt_rule == "events" else None


def _send(waiting: Awaiting, transport: Transport) -> str:
    """From the sender of a mail that waits: the account may send as it. The delivery it names is its transport."""
    envelope = Envelope(
        delivery_id=waiting.transport_id,
        fence=0,
        tenant_id=waiting.tenant_id,
        message_ref=waiting.transport_id,
        stream="canary",
        sender=parse_mailbox(waiting.sender),
        to=(SIMULATOR,),
        subject="Mailgrid asks whether events arrive",
        text="This mail goes to the provider's mailbox simulator and to nobody else.",
        configuration_set=waiting.configuration_set,
    )
    (answer,) = transport.send([envelope], deadline=time.monotonic() + DEADLINE_SECONDS)
    if isinstance(answer, Receipt):
        return "sent"
    log.warning("emails.canary.refused", transport=str(waiting.transport_id), code=answer.code)
    return "refused"
