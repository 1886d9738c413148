"""A stand-in for an SMTP server, over real TCP and TLS, that can misbehave and keeps what it took.

    with FakeSmtp() as server:
        ...  # server.host, server.port (plain, STARTTLS), server.tls_port, server.ca_file; mailgrid / secret
        server.misbehave("cut", stage="dot", count=1)
        ...
        assert len(server.journal()) == 1

`python -m tests.fakes.smtp --port 2525` runs the same thing on its own.
"""

from tests.fakes.smtp.authority import Certificate
from tests.fakes.smtp.fake import FakeSmtp
from tests.fakes.smtp.faults import Action, Rule, Stage
from tests.fakes.smtp.journal import Accept
from tests.fakes.smtp.options import Offer, Options

__all__ = ["Accept", "Action", "Certificate", "FakeSmtp", "Offer", "Options", "Rule", "Stage"]
