"""The SNS query API, as far as a subscriber needs it: ConfirmSubscription and the certificate."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl
from uuid import uuid4
from xml.sax.saxutils import escape

from tests.fakes.ses.http1 import Request, Response
from tests.fakes.ses.refusals import Refusal
from tests.fakes.ses.signatures import check_signature
from tests.fakes.ses.state import State

_NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"


def is_for_sns(request: Request) -> bool:
    """Requests to the query endpoint, and for a certificate."""
    return (
        request.path == "/"
        or request.path.startswith("/SimpleNotificationService-")
        or (request.path.startswith("/sns/"))
    )


def answer(state: State, request: Request) -> Response:
    """Do what is asked; errors are SNS's XML."""
    if request.path != "/":
        return _certificate(state, request)
    try:
        if state.options.verify and "authorization" in request.fields:
            _check_signature(state, request)
        return _confirm_subscription(state, request.query | _form(request))
    except Refusal as refusal:
        return _xml(_error_body(refusal), status=refusal.status)


def _certificate(state: State, request: Request) -> Response:
    if request.path.rpartition("/")[2] != state.identity.certificate_name:
        return Response(status=404, content_type="text/plain")
    return Response(body=state.identity.certificate_pem, content_type="application/x-pem-file")


def _check_signature(state: State, request: Request) -> None:
    check_signature(
        request,
        credentials=state.account.credentials,
        region=state.options.region,
        service="sns",
        now=datetime.now(UTC),
    )


def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))


def _confirm_subscription(state: State, form: dict[str, str]) -> Response:
    action = form.get("Action", "")
    if action != "ConfirmSubscription":
        raise Refusal(400, "InvalidAction", f"The action {action} is not valid for this endpoint.")
    subscription = state.topic.confirm(form.get("TopicArn", ""), form.get("Token", ""))
    if subscription is None:
        state.counters.add("subscriptions.refused")
        raise Refusal(400, "InvalidParameter", "Invalid parameter: Token")
    state.counters.add("subscriptions.confirmed")
    return _xml(
        f'<ConfirmSubscriptionResponse xmlns="{_NAMESPACE}"><ConfirmSubscriptionResult>'
        f"<SubscriptionArn>{escape(subscription.arn)}</SubscriptionArn></ConfirmSubscriptionResult>"
        f"<ResponseMetadata><RequestId>{uuid4()}</RequestId></ResponseMetadata></ConfirmSubscriptionResponse>"
    )


def _error_body(refusal: Refusal) -> str:
    return (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error><Type>Sender</Type><Code>{refusal.kind}</Code>'
        f"<Message>{escape(refusal.message)}</Message></Error><RequestId>{uuid4()}</RequestId></ErrorResponse>"
    )


def _xml(body: str, *, status: int = 200) -> Response:
    return Response(status=status, body=body.encode(), content_type="text/xml")
