"""The mailbox simulator: the local part of an address, before any `+`, decides what becomes of its mail. Pure.

Its events have the form of SES's, so that they take the same way through the feedback slice as real ones.
Source of the form: Amazon SES Developer Guide, "Contents of event data that Amazon SES publishes to Amazon SNS".
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from emails.composition.envelope import Envelope
from mailgrid.core.clock import to_wire

DOMAIN: Final = "simulator.mailgrid.test"
_RESEND_WORDS: Final = {
    "delivered": "success",
    "bounced": "bounce",
    "complained": "complaint",
    "suppressed": "suppressed",
}
_OUTCOMES: Final = frozenset(
    {
        "success",
        "bounce",
        "softbounce",
        "complaint",
        "delay",
        "reject",
        "fail",
        "suppressed",
        "open",
        "click",
    }
)
_LINK: Final = "https://example.com/"
_AGENT: Final = "Mailgrid simulator"
_ADDRESS: Final = "192.0.2.1"  # RFC 5737: for documentation


def outcome_of(address: str) -> str:
    """What the simulator does with mail for `address`: a word of docs/api.md; everything else is `success`."""
    local, _, domain = address.lower().rpartition("@")
    word = local.partition("+")[0]
    if domain == "resend.dev":
        return _RESEND_WORDS.get(word, "success")
    return word if domain == DOMAIN and word in _OUTCOMES else "success"


def events(envelope: Envelope, provider_message_id: str, *, now: datetime) -> list[dict[str, Any]]:
    """SES's events for an accepted envelope: one payload for each kind, naming its recipients."""
    by_kind: dict[str, list[str]] = defaultdict(list)
    for mailbox in envelope.recipients:
        for kind in _KINDS[outcome_of(mailbox.address)]:
            by_kind[kind].append(mailbox.address)
    mail = _mail(envelope, provider_message_id, now)
    return [
        {"mail": mail, **_DETAILS[kind](by_kind[kind], to_wire(now + timedelta(milliseconds=step)))}
        for step, kind in enumerate(_DETAILS, start=1)
        if kind in by_kind
    ]


_KINDS: Final[dict[str, tuple[str, ...]]] = {
    "success": ("delivery",),
    "bounce": ("bounce",),
    "softbounce": ("softbounce",),
    "complaint": ("delivery", "complaint"),
    "delay": ("delay",),
    "reject": ("reject",),
    "fail": (),  # refused before it is accepted
    "suppressed": ("suppressed",),  # left out at acceptance; reached only when the list was changed since
    "open": ("delivery", "open"),
    "click": ("delivery", "open", "click"),
}


def _mail(envelope: Envelope, provider_message_id: str, now: datetime) -> dict[str, Any]:
    return {
        "timestamp": to_wire(now),
        "messageId": provider_message_id,
        "source": envelope.sender.address,
        "destination": [mailbox.address for mailbox in envelope.recipients],
        "tags": {name: [value] for name, value in envelope.proof_tags.items()},
    }


def _delivery(addresses: Sequence[str], at: str | None) -> dict[str, Any]:
    detail = {
        "timestamp": at,
        "recipients": list(addresses),
        "processingTimeMillis": 1,
        "smtpResponse": "250 2.0.0 OK (simulated)",
        "reportingMTA": DOMAIN,
    }
    return {"eventType": "Delivery", "delivery": detail}


def _bounced(
    addresses: Sequence[str], at: str | None, *, kind: str, sub: str, status: str, words: str
) -> dict[str, Any]:
    recipients = [
        {
            "emailAddress": address,
            "action": "failed",
            "status": status,
            "diagnosticCode": f"smtp; 550 {status} {words}",
        }
        for address in addresses
    ]
    detail = {
        "timestamp": at,
        "bounceType": kind,
        "bounceSubType": sub,
        "bouncedRecipients": recipients,
        "feedbackId": f"simulated-{kind}-{at}",
        "reportingMTA": f"dns; {DOMAIN}",
    }
    return {"eventType": "Bounce", "bounce": detail}


def _bounce(addresses: Sequence[str], at: str | None) -> dict[str, Any]:
    return _bounced(
        addresses, at, kind="Permanent", sub="NoEmail", status="5.1.1", words="user unknown (simulated)"
    )


def _soft_bounce(addresses: Sequence[str], at: str | None) -> dict[str, Any]:
    return _bounced(
        addresses, at, kind="Transient", sub="General", status="4.2.2", words="mailbox full (simulated)"
    )


def _suppressed(addresses: Sequence[str], at: str | None) -> dict[str, Any]:
    return _bounced(
        addresses,
        at,
        kind="Permanent",
        sub="OnAccountSuppressionList",
        status="5.7.0",
        words="on the suppression list (simulated)",
    )


def _complaint(addresses: Sequence[str], at: str | None) -> dict[str, Any]:
    detail = {
        "timestamp": at,
        "complainedRecipients": [{"emailAddress": address} for address in addresses],
        "complaintFeedbackType": "abuse",
        "feedbackId": f"simulated-complaint-{at}",
        "userAgent": _AGENT,
    }
    return {"eventType": "Complaint", "complaint": detail}


def _delay(addresses: Sequence[str], at: str | None) -> dict[str, Any]:
    recipients = [
        {
            "emailAddress": address,
            "status": "4.4.7",
            "diagnosticCode": "smtp; 421 4.4.7 try later (simulated)",
        }
        for address in addresses
    ]
    detail = {"timestamp": at, "delayType": "TransientCommunicationFailure", "delayedRecipients": recipients}
    return {"eventType": "DeliveryDelay", "deliveryDelay": detail}


def _reject(_addresses: Sequence[str], _at: str | None) -> dict[str, Any]:
    return {"eventType": "Reject", "reject": {"reason": "Bad content"}}


def _open(_addresses: Sequence[str], at: str | None) -> dict[str, Any]:
    return {"eventType": "Open", "open": {"timestamp": at, "ipAddress": _ADDRESS, "userAgent": _AGENT}}


def _click(_addresses: Sequence[str], at: str | None) -> dict[str, Any]:
    detail = {"timestamp": at, "ipAddress": _ADDRESS, "userAgent": _AGENT, "link": _LINK, "linkTags": None}
    return {"eventType": "Click", "click": detail}


# In the order in which they happen.
_DETAILS: Final = {
    "delivery": _delivery,
    "delay": _delay,
    "bounce": _bounce,
    "softbounce": _soft_bounce,
    "suppressed": _suppressed,
    "reject": _reject,
    "open": _open,
    "click": _click,
    "complaint": _complaint,
}
