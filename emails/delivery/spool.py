"""Receipts that the database could not take before their lease ended, kept in a file until it can.

The deliveries are in doubt by then; a receipt settles the doubt at once, where an event would only later, and a
transport without events never. The file is written with fsync; another process of this machine reads it in.
"""

import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from django.conf import settings

from emails.delivery.ports import Receipt
from emails.events import transitions
from emails.messages.lifecycle import Input
from emails.messages.models import Delivery
from emails.messages.moves import AttemptOutcome, AttemptResult, Move, SettledBy
from emails.messages.queue.claiming import Picked
from mailgrid.core.ids import uuid7
from mailgrid.core.logging import get_logger
from mailgrid.core.vocabulary import Status

log = get_logger(__name__)

_UNDER_WAY: Final = ".new"


def keep(settled: Sequence[tuple[Picked, object]]) -> None:
    """Write the receipts among these answers to a file of their own, and make it durable."""
    lines = [
        json.dumps([str(row.delivery_id), row.fence + 1, answer.provider_message_id])
        for row, answer in settled
        if isinstance(answer, Receipt) and not answer.refused  # partly taken: stays in doubt
    ]
    if not lines:
        return
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = folder / f"{uuid7()}{_UNDER_WAY}"
    with scratch.open("w") as file:
        file.write("\n".join(lines))
        file.flush()
        os.fsync(file.fileno())
    scratch.rename(scratch.with_suffix(".receipts"))
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # the name, too
    finally:
        os.close(descriptor)
    log.error("emails.delivery.spooled", receipts=len(lines))


def take_in(*, now: datetime) -> int:
    """Settle what the files of this machine say, and remove them; how many deliveries that proved sent."""
    proved = 0
    for path in sorted(_folder().glob("*.receipts")):
        receipts = {UUID(line[0]): (int(line[1]), str(line[2])) for line in _lines(path)}
        proved += transitions.move(_proofs(receipts), now=now)
        path.unlink(missing_ok=True)
    return proved


def _lines(path: Path) -> list[list[str]]:
    try:
        return [json.loads(line) for line in path.read_text().splitlines()]
    except FileNotFoundError:  # somebody else was faster
        return []


def _proofs(receipts: dict[UUID, tuple[int, str]]) -> list[Move]:
    rows = Delivery.across_tenants.filter(pk__in=receipts).exclude(state=Status.SENT)
    return [
        Move(
            delivery_id=row.pk,
            message_id=row.message_id,
            tenant_id=row.tenant_id,
            test=row.test,
            fence=receipts[row.pk][0],
            source=Status(row.state),
            input=Input.PROVED_SENT,
            attempt=AttemptResult(
                outcome=AttemptOutcome.SENT,
                settled_by=SettledBy.ANSWER,
                provider_message_id=receipts[row.pk][1],
            ),
        )
        for row in rows
    ]


def _folder() -> Path:
    return Path(settings.VAR_DIR) / "spool"
