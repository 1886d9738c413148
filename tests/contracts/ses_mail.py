"""Envelopes and transports for the contract tests of SES."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID

from emails.composition.envelope import Attachment, Envelope
from mailgrid.core.addresses import Mailbox
from workers.transports.ses import SesTransport

DELIVERY = UUID("01981e2c-5d3a-7c41-9a57-3f0c1b2d4e5f")
TENANT = UUID("01981d00-aaaa-7bbb-8ccc-dddddddddddd")
LOGO = Attachment(filename="logo.png", content_type="image/png", content=b"\x89PNG\r\n\0", content_id="logo")
INVOICE = Attachment(filename="invoice 7.pdf", content_type="application/pdf", content=b"%PDF-1.7")


def envelope(**changes: Any) -> Envelope:
    """A plain mail from acme to ann."""
    plain: dict[str, Any] = {
        "delivery_id": DELIVERY,
        "fence": 1,
        "tenant_id": TENANT,
        "message_ref": UUID("01981e2c-5d39-7000-8000-000000000001"),
        "stream": "transactional",
        "sender": Mailbox(address="hello@acme.example"),
        "to": (Mailbox(address="ann@example.org"),),
        "subject": "Your receipt",
        "html": "<p>Thank you</p>",
        "text": "Thank you",
    }
    return Envelope(**(plain | changes))


@contextmanager
def transport(url: str, **options: Any) -> Iterator[SesTransport]:
    """A transport with the credentials of the fake's account, open inside the context."""
    account = {"region": "eu-west-1", "access_key_id": "AKIDTEST", "secret_access_key": "secret"}
    with closing(SesTransport(**(account | {"endpoint_url": url} | options))) as opened:
        yield opened
