"""SES's event-publishing JSON: one document for each thing that is told about a mail.

Source: Amazon SES Developer Guide, "Examples of event data that Amazon SES publishes to Amazon SNS".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from enum import StrEnum
from typing import Any

from tests.fakes.ses.mail import Mail, bare_address, new_ses_id

Document = dict[str, Any]

_HEADERS_TOLD_BYTES = 10 * 1024  # SES cuts mail.headers there and says so
_USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
)


class EventType(StrEnum):
    """Every value of `eventType`."""

    SEND = "Send"
    DELIVERY = "Delivery"
    BOUNCE = "Bounce"
    COMPLAINT = "Complaint"
    REJECT = "Reject"
    RENDERING_FAILURE = "Rendering Failure"
    DELIVERY_DELAY = "DeliveryDelay"
    OPEN = "Open"
    CLICK = "Click"
    SUBSCRIPTION = "Subscription"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a mail bounced, in SES's words."""

    bounce_type: str
    sub_type: str
    status: str
    diagnostic: str


HARD = Reason("Permanent", "General", "5.1.1", "smtp; 550 5.1.1 user unknown")


def event(
    mail: Mail,
    kind: EventType,
    recipients: Sequence[str] | None = None,
    reason: Reason | None = None,
    *,
    at: datetime | None = None,
) -> Document:
    """One event about a mail, for all its recipients unless some are named."""
    concerned = [bare_address(recipient) for recipient in recipients or mail.destination]
    member, detail = _detail(mail, kind, concerned, reason, at or datetime.now(UTC))
    return {"eventType": kind.value, "mail": mail_object(mail), member: detail}


def mail_object(mail: Mail) -> Document:
    """The member `mail` of every event."""
    headers, truncated = _told_headers(mail.headers)
    return {
        "timestamp": _stamp(mail.accepted_at),
        "source": mail.source,
        "sourceArn": f"arn:aws:ses:eu-west-1:000000000000:identity/{_domain(mail.source)}",
        "sendingAccountId": "000000000000",
        "messageId": mail.ses_id,
        "destination": [bare_address(recipient) for recipient in mail.destination],
        "headersTruncated": truncated,
        "headers": headers,
        "commonHeaders": _common_headers(mail),
        "tags": _tags(mail),
    }


def _tags(mail: Mail) -> dict[str, list[str]]:
    own = {
        "ses:operation": ["SendRawEmail" if mail.kind == "raw" else "SendEmail"],
        "ses:source-ip": ["192.0.2.1"],
        "ses:from-domain": [_domain(mail.source)],
        "ses:caller-identity": [mail.access_key or "anonymous"],
    }
    if mail.configuration_set:
        own["ses:configuration-set"] = [mail.configuration_set]
    return own | {name: [value] for name, value in mail.tags.items()}


def _told_headers(headers: Sequence[tuple[str, str]]) -> tuple[list[dict[str, str]], bool]:
    told: list[dict[str, str]] = []
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
        if size > _HEADERS_TOLD_BYTES:
            return told, True
        told.append({"name": name, "value": value})
    return told, False


def _common_headers(mail: Mail) -> Document:
    by_name = {name.lower(): value for name, value in mail.headers}
    common: Document = {"from": [mail.source], "messageId": by_name.get("message-id", mail.ses_id)}
    for name in ("to", "cc", "bcc"):
        if recipients := getattr(mail, name):
            common[name] = list(recipients)
    for header, name in (("date", "date"), ("subject", "subject"), ("return-path", "returnPath")):
        if header in by_name:
            common[name] = by_name[header]
    if "reply-to" in by_name:
        common["replyTo"] = [by_name["reply-to"]]
    return common


def _detail(
    mail: Mail, kind: EventType, concerned: list[str], reason: Reason | None, at: datetime
) -> tuple[str, Document]:
    """The member that is named after the event, and its content."""
    timestamp = _stamp(at)
    visitor = {"ipAddress": "192.0.2.77", "timestamp": timestamp, "userAgent": _USER_AGENT}
    match kind:
        case EventType.SEND:
            return "send", {}
        case EventType.DELIVERY:
            return "delivery", _delivery(mail, concerned, at)
        case EventType.BOUNCE:
            return "bounce", _bounce(concerned, reason or HARD, timestamp)
        case EventType.COMPLAINT:
            return "complaint", _complaint(concerned, timestamp)
        case EventType.REJECT:
            return "reject", {"reason": "Bad content"}
        case EventType.RENDERING_FAILURE:
            words = f"Attribute '{mail.missing or 'name'}' is not present in the rendering data."
            return "failure", {"errorMessage": words, "templateName": mail.template or "inline"}
        case EventType.DELIVERY_DELAY:
            return "deliveryDelay", _delivery_delay(concerned, at)
        case EventType.OPEN:
            return "open", visitor
        case EventType.CLICK:
            return "click", visitor | {"link": "https://www.example.com/", "linkTags": None}
        case EventType.SUBSCRIPTION:
            return "subscription", _subscription(timestamp)


def _delivery(mail: Mail, concerned: list[str], at: datetime) -> Document:
    return {
        "timestamp": _stamp(at),
        "processingTimeMillis": int((at - mail.accepted_at) / timedelta(milliseconds=1)),
        "recipients": concerned,
        "smtpResponse": "250 2.6.0 Message received",
        "remoteMtaIpAddress": "192.0.2.50",
        "reportingMTA": "a4-25.smtp-out.eu-west-1.amazonses.com",
    }


def _bounce(concerned: list[str], reason: Reason, timestamp: str) -> Document:
    return {
        "feedbackId": new_ses_id(),
        "bounceType": reason.bounce_type,
        "bounceSubType": reason.sub_type,
        "bouncedRecipients": [
            {
                "emailAddress": address,
                "action": "failed",
                "status": reason.status,
                "diagnosticCode": reason.diagnostic,
            }
            for address in concerned
        ],
        "timestamp": timestamp,
        "reportingMTA": "dsn; a4-25.smtp-out.eu-west-1.amazonses.com",
    }


def _complaint(concerned: list[str], timestamp: str) -> Document:
    return {
        "feedbackId": new_ses_id(),
        "complaintSubType": None,
        "complainedRecipients": [{"emailAddress": address} for address in concerned],
        "timestamp": timestamp,
        "userAgent": "Amazon SES Mailbox Simulator",
        "complaintFeedbackType": "abuse",
        "arrivalDate": timestamp,
    }


def _delivery_delay(concerned: list[str], at: datetime) -> Document:
    return {
        "timestamp": _stamp(at),
        "delayType": "TransientCommunicationFailure",
        "expirationTime": _stamp(at + timedelta(hours=14)),
        "delayedRecipients": [
            {
                "emailAddress": address,
                "status": "4.4.1",
                "diagnosticCode": "smtp; 421 4.4.1 Unable to connect to remote host",
            }
            for address in concerned
        ],
    }


def _subscription(timestamp: str) -> Document:
    def preferences(status: str, *, all_off: bool) -> Document:
        topics = [{"topicName": "news", "subscriptionStatus": status}]
        return {"unsubscribeAll": all_off, "topicSubscriptionStatus": topics}

    return {
        "contactList": "contacts",
        "timestamp": timestamp,
        "source": "UnsubscribeHeader",
        "newTopicPreferences": preferences("OptOut", all_off=True),
        "oldTopicPreferences": preferences("OptIn", all_off=False),
    }


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _domain(source: str) -> str:
    return parseaddr(source)[1].rpartition("@")[2]
