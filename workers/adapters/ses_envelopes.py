"""Open what SES sends through SNS: verify, check that the topic is the account's, confirm subscriptions, unwrap."""

from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from django.conf import settings
from django.utils.module_loading import import_string

from emails.feedback.ingest import Refused
from emails.transports.models import Transport
from mailgrid.core.logging import get_logger
from workers.adapters.sns import SnsRefused, SnsVerifier, confirm_subscription, region_of

log = get_logger(__name__)

CONFIRMED_WITHIN: Final = timedelta(hours=1)  # an older request is a replay, whoever signed it


class SesEnvelopes:
    """The port `emails.feedback.ingest.Envelopes` for SNS."""

    def __init__(self, verifier: SnsVerifier | None = None) -> None:
        self._verifier = verifier or SnsVerifier(
            fetch=import_string(settings.SNS_CERTIFICATES), refuse_version_1=settings.SNS_REFUSE_SIGNATURE_V1
        )

    def open(self, body: dict[str, Any], *, transport: Transport, now: datetime) -> dict[str, Any] | None:
        """The SES event inside, or None when the message is about the subscription itself. Raises `Refused`."""
        topic_arn = body.get("TopicArn")
        if topic_arn not in transport.settings.get("topic_arns", []):
            raise Refused("the topic is not on this account's list")
        try:
            self._verifier.verify(body, now=now)
        except SnsRefused as error:
            if error.transient:
                raise
            raise Refused(str(error)) from error
        match body.get("Type"):
            case "Notification":
                return _event(body)
            case "SubscriptionConfirmation":
                self._confirm(body, transport, now=now)
        return None

    def _confirm(self, body: dict[str, Any], transport: Transport, *, now: datetime) -> None:
        """By the API, with topic and token: no address from the body is ever opened."""
        try:
            asked_at = datetime.fromisoformat(str(body.get("Timestamp")).replace("Z", "+00:00"))
            fresh = abs(now - asked_at) <= CONFIRMED_WITHIN
        except (ValueError, TypeError):
            fresh = False
        if not fresh:
            raise Refused("the request to confirm is older than an hour")
        arn = str(body["TopicArn"])
        endpoint_url = transport.settings.get("endpoint_url")
        confirm_subscription(arn, str(body.get("Token", "")), region_of(arn), endpoint_url)
        log.info("workers.sns.confirmed", transport=str(transport.pk), topic=arn)


def _event(body: dict[str, Any]) -> dict[str, Any] | None:
    """SES's event; None for its greeting to a new topic, which is plain text."""
    try:
        event = orjson.loads(str(body.get("Message", "")))
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event, dict) else None
