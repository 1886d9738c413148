"""POST /hooks/ses/<secret>: store what SNS says, answer, and let a worker verify and apply it."""

import orjson
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from emails.events.services import NewNotification, store_notifications
from emails.transports.models import Transport
from mailgrid.core import failpoints
from mailgrid.core.clock import now
from mailgrid.core.crypto import keyed_hash
from mailgrid.core.errors import Forbidden, MailgridError, NotFound
from mailgrid.core.ratelimit import limiter
from mailgrid.http.answers import answer
from mailgrid.http.errors import MethodNotAllowed, TooLarge, Unreadable, answer_error
from tenants.keys.sources import client_ip

MAX_BODY = 256 * 1024
PER_MINUTE = 60_000  # notifications from one address


class TooManyNotifications(MailgridError):
    """An address sends more than any topic would."""

    name = "rate_limit_exceeded"


@method_decorator(csrf_exempt, name="dispatch")
class SesHook(View):
    """One provider account's notifications: the secret in the path says whose, the signature whether they count."""

    http_method_names = ["post"]

    def http_method_not_allowed(self, request: HttpRequest, *args: str, **kwargs: str) -> HttpResponse:
        response = answer_error(MethodNotAllowed("Notifications are posted."), request)
        response["Allow"] = "POST"
        return response

    def dispatch(self, request: HttpRequest, *args: str, **kwargs: str) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - every error has its answer, and SNS tries again after a 5xx
            return answer_error(error, request)

    def post(self, request: HttpRequest, secret: str) -> HttpResponse:
        """Store a notification raw. Nothing of it is believed yet."""
        _slow_down(client_ip(request.META))
        # Looked up by its keyed hash: the time it takes tells nothing about the secret.
        transport = Transport.across_tenants.filter(
            hook_key=keyed_hash(secret), kind=Transport.Kind.SES
        ).first()
        if transport is None:
            raise NotFound("The requested resource was not found.")
        raw = request.read(MAX_BODY + 1)
        if len(raw) > MAX_BODY:
            raise TooLarge("A notification has at most 256 KiB.")
        message = _message(raw)
        if message.get("TopicArn") not in transport.settings.get("topic_arns", []):
            raise Forbidden("This topic is not on the account's list.")
        failpoints.reach("notification.before_commit")
        store_notifications(
            [
                NewNotification(
                    transport_id=transport.pk,
                    # Prefixed, so that one account's hook cannot use up another's message ids.
                    external_id=f"{transport.pk.hex}:{message.get('MessageId')}"[:100],
                    body=raw.decode(),
                    confidential=_is_confidential(message.get("Message")),
                )
            ],
            now=now(),
        )
        failpoints.reach("notification.after_commit")
        return answer({"object": "notification", "stored": True})


def _slow_down(ip: str) -> None:
    grant = limiter().take(f"hook:{ip}", tokens=1, rate=PER_MINUTE / 60, burst=PER_MINUTE / 10)
    if not grant.granted:
        raise TooManyNotifications("Too many notifications from this address.", retry_after=grant.retry_after)


def _message(raw: bytes) -> dict[str, object]:
    try:
        message = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Unreadable("The body is not JSON.") from None
    if not isinstance(message, dict):
        raise Unreadable("The body is not an SNS message.")
    return message


def _is_confidential(event: object) -> bool:
    """Whether this SES event may repeat what sensitive mail says: its headers, of which the subject is one.

    Our tags tell; without them nobody knows whose mail it is about. The text is searched, not read: the door is to be
    quick, and what somebody wrote into a header has its quotation marks escaped.
    """
    text = event if isinstance(event, str) else ""
    return '"mg_sensitive"' in text or ('"mg_d"' not in text and '"commonHeaders"' in text)


routes = [path("hooks/ses/<str:secret>", SesHook.as_view())]
