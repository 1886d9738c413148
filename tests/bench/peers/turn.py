"""The row: hand mails over in bulk, then deliver them to the sink, near and 30 ms away."""

from collections.abc import Iterator
from typing import Final

from tests.bench.accept import BATCH, BATCH_CONNECTIONS
from tests.bench.deliver import FAR_SECONDS, deliver
from tests.bench.mailer import Sample, batch_load, explained, load_average, per_email
from tests.bench.mailgrid_fleet import SMTP_STREAM, MailgridFleet
from tests.bench.mails import batches
from tests.bench.peers.peer import Enqueued, Peer
from tests.bench.stage import Stage

ENQUEUE: Final = "hand over in bulk, emails"
SMTP: Final = "deliver, SMTP"
SMTP_FAR: Final = f"{SMTP}, {FAR_SECONDS * 1000:.0f} ms away"
_NEAR_EMAILS: Final = 2_000
_FAR_EMAILS: Final = 400


def turn(stage: Stage, peer: Peer) -> Iterator[Sample]:
    """One peer."""
    with peer.turn(), explained(peer):
        peer.enqueue(20)  # connections and caches
        stage.provider.forget()
        with peer.sending("high"):
            stage.await_mails(20)
        stage.tidy()
        yield from _near(stage, peer, emails=stage.size(_NEAR_EMAILS))
        emails = stage.size(_FAR_EMAILS)
        peer.enqueue(emails)
        yield from deliver(stage, peer, SMTP_FAR, emails=emails, delay_seconds=FAR_SECONDS, more=False)


def mailgrid_turn(stage: Stage, mailgrid: MailgridFleet) -> Iterator[Sample]:
    """Mailgrid on the same work."""
    return turn(stage, MailgridOverSmtp(stage, mailgrid))


class MailgridOverSmtp:
    """Mailgrid as a peer of the others: batches over HTTP, its SMTP transport to the same sink."""

    def __init__(self, stage: Stage, mailgrid: MailgridFleet) -> None:
        self._stage, self._mailgrid = stage, mailgrid
        self.name, self.database_url, self.url = mailgrid.name, mailgrid.database_url, mailgrid.url
        self.turn, self.sending, self.parts = mailgrid.turn, mailgrid.sending, mailgrid.parts
        self.last_words = mailgrid.last_words
        self.headers, self.of_mail = mailgrid.headers, {**mailgrid.of_mail, "stream": SMTP_STREAM}

    def enqueue(self, emails: int) -> Enqueued:
        """A hundred in a request, over eight connections."""
        bodies = batches(emails, BATCH, **self.of_mail, priority="high")
        taken = self._stage.load.run(batch_load(self, bodies=bodies, connections=BATCH_CONNECTIONS))
        return Enqueued(seconds=taken.seconds, cpu_seconds=taken.cpu_seconds)

    single_path = MailgridFleet.single_path
    batch_path = MailgridFleet.batch_path
    share = 1.0


def _near(stage: Stage, peer: Peer, *, emails: int) -> Iterator[Sample]:
    before, queued = stage.read(peer), load_average()
    enqueued = peer.enqueue(emails)
    used = before.until(stage.read(peer))
    cpu = per_email(used, emails, load=enqueued.cpu_seconds)
    rate = emails / enqueued.seconds
    yield Sample(row=ENQUEUE, value=rate, unit="/s", others=used.others, load_average=queued, cpu=cpu)
    yield from deliver(stage, peer, SMTP, emails=emails, more=False)
