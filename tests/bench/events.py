"""Events: what SES tells about delivered mail through SNS; stored by web, then verified and applied by a worker."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from tests.bench.accept import queue
from tests.bench.figures import percentile
from tests.bench.load import Load
from tests.bench.mailer import Sample, explained, load_average, per_email
from tests.bench.mailgrid_fleet import MailgridFleet
from tests.bench.stage import Stage, wal_bytes
from tests.fakes.ses.events import EventType, event
from tests.fakes.ses.mail import Kind, Mail
from tests.fakes.ses.sns import SnsIdentity

STORED: Final = "SNS notifications stored"
APPLIED: Final = "SNS notifications applied"
_MAILS: Final = 2_500  # two notifications each, within what one address may post at once
_CONNECTIONS: Final = 16
_DELAYED: Final = 100  # one mail of so many; a bounce would keep its address from the rows that come after
_PATIENCE: Final = 120.0  # seconds

_SENT: Final = """
SELECT d.id, d.tenant_id, a.fence, a.provider_message_id, s.name, r.address
  FROM emails_delivery d JOIN emails_attempt a ON a.delivery_id = d.id AND a.outcome = 'sent'
  JOIN emails_stream s ON s.id = d.stream_id JOIN emails_recipient r ON r.delivery_id = d.id
 ORDER BY d.id DESC LIMIT %s"""
_OPEN: Final = "SELECT count(*) FROM emails_notification WHERE state IN ('pending', 'processing')"
_APPLIED: Final = "SELECT count(*) FROM emails_notification WHERE state = 'applied'"


def turn(stage: Stage, mailgrid: MailgridFleet) -> Iterator[Sample]:
    """Send mail, tell of it as SES does, store, apply."""
    with mailgrid.turn(), explained(mailgrid):
        mails = queue(stage, mailgrid, emails=stage.size(_MAILS))
        stage.provider.forget()
        with mailgrid.sending("high"):
            stage.await_mails(mails)
        _await(mailgrid, "SELECT count(*) FROM emails_delivery WHERE state = 'sending'", 0)
        told = _notifications(mailgrid, mails)
        stage.tidy()
        yield from _store(stage, mailgrid, told)
        yield from _apply(stage, mailgrid, len(told))


def _store(stage: Stage, mailgrid: MailgridFleet, told: Sequence[bytes]) -> Iterator[Sample]:
    load = Load(url=mailgrid.hook_url, headers={}, bodies=told, connections=_CONNECTIONS, requests=len(told))
    before, written, queued = stage.read(mailgrid), wal_bytes(mailgrid.database_url), load_average()
    taken = stage.load.run(load)
    used = before.until(stage.read(mailgrid))
    written = wal_bytes(mailgrid.database_url) - written
    cpu = per_email(used, len(told), load=taken.cpu_seconds)
    yield Sample(
        row=STORED, value=taken.per_second, unit="/s", others=used.others, load_average=queued, cpu=cpu
    )
    yield Sample(row=f"{STORED}, p99", value=percentile(taken.latencies, 0.99) * 1000, unit="ms")
    yield Sample(row=f"{STORED}, WAL each", value=written / len(told), unit="B")


def _apply(stage: Stage, mailgrid: MailgridFleet, count: int) -> Iterator[Sample]:
    known = mailgrid.rows(_APPLIED)[0][0]
    written, queued = wal_bytes(mailgrid.database_url), load_average()
    with mailgrid.workers("worker-events") as (worker,):
        while mailgrid.rows(_OPEN)[0][0] == count:
            time.sleep(0.01)
        before, left, began = (
            stage.read(mailgrid, worker=worker),
            mailgrid.rows(_OPEN)[0][0],
            time.monotonic(),
        )
        _await(mailgrid, _OPEN, 0)
        seconds = time.monotonic() - began
        used = before.until(stage.read(mailgrid, worker=worker))
    written = wal_bytes(mailgrid.database_url) - written
    if (applied := mailgrid.rows(_APPLIED)[0][0] - known) != count:
        raise RuntimeError(f"{applied} of {count} notifications were applied")
    cpu = per_email(used, max(1, left))
    yield Sample(
        row=APPLIED, value=left / seconds, unit="/s", others=used.others, load_average=queued, cpu=cpu
    )
    yield Sample(row=f"{APPLIED}, WAL each", value=written / count, unit="B")


def _await(mailgrid: MailgridFleet, sql: str, wanted: int) -> None:
    until = time.monotonic() + _PATIENCE
    while (found := mailgrid.rows(sql)[0][0]) != wanted:
        if time.monotonic() > until:
            raise RuntimeError(f"{found} instead of {wanted} after {_PATIENCE:.0f} seconds: {sql}")
        time.sleep(0.02)


def _notifications(mailgrid: MailgridFleet, mails: int) -> list[bytes]:
    """Two of each mail: that it was sent, and that it was delivered, or that this takes longer."""
    told = []
    for place, sent in enumerate(_mails(mailgrid, mails)):
        outcome = EventType.DELIVERY if place % _DELAYED else EventType.DELIVERY_DELAY
        told += [
            _notification(mailgrid.identity, mailgrid.topic, sent, kind) for kind in (EventType.SEND, outcome)
        ]
    return told


def _mails(mailgrid: MailgridFleet, count: int) -> list[Mail]:
    return [_as_ses_knows_it(*row) for row in mailgrid.rows(_SENT, count)]


def _as_ses_knows_it(
    delivery: Any, tenant: Any, fence: int, provider_id: str, stream: str, address: str
) -> Mail:
    return Mail(
        ses_id=provider_id,
        accepted_at=datetime.now(UTC),
        kind=Kind.SIMPLE,
        source="hello@acme.test",
        to=[address],
        cc=[],
        bcc=[],
        headers=[("From", "hello@acme.test"), ("To", address), ("Subject", "Your order")],
        tags={"mg_d": str(delivery), "mg_f": str(fence), "mg_t": tenant.hex, "mg_s": stream},
        configuration_set="mailgrid",
    )


def _notification(identity: SnsIdentity, topic: str, mail: Mail, kind: EventType) -> bytes:
    text = json.dumps(event(mail, kind))
    return json.dumps(identity.notification(text, topic_arn=topic, version="2")).encode()
