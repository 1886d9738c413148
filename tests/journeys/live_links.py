"""Links of mail that a running Mailgrid has delivered, made with its own secret."""

import json
from uuid import UUID

from emails.tracking.links import Addressee, Links, OwnLinks
from tests.live import LiveMailgrid


def sent(mailgrid: LiveMailgrid, address: str, *, stream: str = "marketing") -> OwnLinks:
    """The links of a copy of a mail that was just delivered."""
    mail = {"from": mailgrid.sender, "to": address, "subject": "News", "text": "News", "stream": stream}
    code, answer = mailgrid.call("POST", "/api/emails", mail)
    assert code == 200, answer
    mailgrid.settled(answer["id"])
    secrets = json.loads((mailgrid.var_dir / "secrets.json").read_text())
    ((tenant, recipient),) = mailgrid.rows(
        "SELECT tenant_id, id FROM emails_recipient WHERE message_id = ?", [UUID(answer["id"]).hex]
    )
    return OwnLinks(
        links=Links(secrets["KEY_PEPPER"]),
        whose=Addressee(UUID(tenant), UUID(recipient)),
        base=mailgrid.url,
        origins=(mailgrid.url,),
    )


def counted(mailgrid: LiveMailgrid, links: OwnLinks) -> tuple[int, int]:
    ((opens, clicks),) = mailgrid.rows(
        "SELECT opens, clicks FROM emails_recipient WHERE id = ?", [links.whose.recipient_id.hex]
    )
    return opens, clicks
