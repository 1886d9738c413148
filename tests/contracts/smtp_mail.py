"""Transports and their answers for the contract tests of SMTP."""

import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from emails.composition.envelope import Envelope
from emails.delivery.ports import Answer, Receipt, TransportError
from tests.contracts.ses_mail import envelope
from tests.fakes.smtp import FakeSmtp
from workers.transports.smtp import SmtpTransport
from workers.transports.smtp_account import SmtpAccount

LISTED = frozenset({"127.0.0.1", "localhost"})


def account(server: FakeSmtp, **changes: Any) -> SmtpAccount:
    """The fake's log-in over STARTTLS, its certificates trusted."""
    usual: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.tls_port if changes.get("tls") == "tls" else server.port,
        "tls": "starttls",
        "username": "mailgrid",
        "password": "secret",
        "allowed_hosts": LISTED,
        "context": ssl.create_default_context(cafile=server.ca_file),
    }
    return SmtpAccount(**(usual | changes))


@contextmanager
def transport(server: FakeSmtp, *, pool_size: int = 4, **changes: Any) -> Iterator[SmtpTransport]:
    """A transport to the fake, open inside the context."""
    with closing(SmtpTransport(account(server, **changes), name="main", pool_size=pool_size)) as opened:
        yield opened


def send(sender: SmtpTransport, mail: Envelope | None = None, *, seconds: float = 5.0) -> Answer:
    """Hand one mail over, within that time."""
    (answer,) = sender.send([mail or envelope()], deadline=time.monotonic() + seconds)
    return answer


def error_of(answer: Answer) -> TransportError:
    """The answer, which is an error."""
    assert isinstance(answer, TransportError), answer
    return answer


def assert_well(server: FakeSmtp, sender: SmtpTransport) -> None:
    """Behaving again, the server gets the next mail, once."""
    server.misbehave()
    before = len(server.journal())
    assert isinstance(send(sender), Receipt)
    assert len(server.journal()) == before + 1
