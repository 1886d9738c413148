"""Mail that was sent, and the links that a copy of it would have: for tests of what these lead to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import time_machine
from django.test import Client
from django.test.client import ClientHandler

from emails.messages.models import Recipient
from emails.tracking import buffer as buffers
from emails.tracking.hosts import own_links
from emails.tracking.links import Addressee, OwnLinks
from mailgrid.core.clock import now
from tenants.tenancy.selectors import tenant_facts

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"


def sent(client: Any, work: Any, mail: dict[str, Any], **more: Any) -> Recipient:
    """The first recipient of a mail that was delivered just now."""
    answer = client.post("/api/emails", {**mail, **more})
    assert answer.status_code == 200, answer.content
    work.everything()
    return Recipient.across_tenants.filter(message_id=answer.json()["id"]).order_by("position")[0]


def links_of(recipient: Recipient) -> OwnLinks:
    """The links of the recipient's own copy."""
    whose = Addressee(recipient.tenant_id, recipient.pk)
    return own_links(whose, tenant_facts(recipient.tenant_id).settings)


class Visitor:
    """Somebody who follows links out of a mail, all at one moment: ten minutes from now. No key, no cookies."""

    def __init__(self, *, user_agent: str = FIREFOX, at: datetime | None = None) -> None:
        self._client = Client(raise_request_exception=False)
        self._client.handler = ClientHandler(enforce_csrf_checks=True)
        self._user_agent = user_agent
        self._at = at or datetime.now(UTC) + timedelta(minutes=10)

    def get(self, url: str, **headers: str) -> Any:
        return self.send("GET", url, **headers)

    def send(self, method: str, url: str, body: bytes = b"", content_type: str = "", **headers: str) -> Any:
        """Any method; the answer left no cookie."""
        path = "/" + url.split("/", 3)[3] if "://" in url else url
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with time_machine.travel(self._at, tick=False):
            answer = self._client.generic(
                method,
                path,
                body,
                content_type=content_type or "application/octet-stream",
                headers={"user-agent": self._user_agent, **named},
            )
        assert not answer.cookies
        assert answer.status_code < 500
        return answer

    def post(self, url: str, **form: str) -> Any:
        body = "&".join(f"{name}={value}" for name, value in form.items()).encode()
        return self.send("POST", url, body, "application/x-www-form-urlencoded")

    def one_click(self, url: str) -> Any:
        """As a mailbox provider does it (RFC 8058 3.2)."""
        return self.post(url, **{"List-Unsubscribe": "One-Click"})


def record_hits_now() -> None:
    """What the thread does within a second."""
    buffers.buffer(clock=now).flush()
