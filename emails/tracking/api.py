"""What links in mail lead to: the open pixel, clicks, the page to unsubscribe. Nobody here has a key or a cookie."""

from base64 import b64decode
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.multipartparser import MultiPartParserError
from django.http.request import QueryDict
from django.urls import path
from django.utils.encoding import iri_to_uri

from emails.tracking import unsubscribe as unsubscribing
from emails.tracking.agents import MAX_LENGTH
from emails.tracking.buffer import buffer
from emails.tracking.classify import says_prefetch
from emails.tracking.headers import ONE_CLICK
from emails.tracking.hits import Hit
from emails.tracking.hosts import links, serves
from emails.tracking.links import Addressee
from emails.tracking.unsubscribe import Choice, MailGone
from mailgrid.core.clock import now
from mailgrid.core.logging import get_logger
from mailgrid.core.ratelimit import limiter
from mailgrid.core.tokens import BadToken
from mailgrid.http.public import public_page
from tenants.audit.services import Actor
from tenants.keys.sources import client_ip

log = get_logger(__name__)

PIXEL: Final = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")  # 1 x 1, transparent
CHOICES_PER_MINUTE: Final = 10  # of one link
MAX_BODY: Final = 4_096
RETRY_SECONDS: Final = 30
_PREFETCH_HEADERS: Final = ("Purpose", "Sec-Purpose", "X-Purpose", "X-Moz")
_ONE_CLICK: Final = tuple(ONE_CLICK.split("="))


def opened(request: HttpRequest, token: str) -> HttpResponse:
    """GET /t/o/<token>: the same picture for every token, good or bad; a GET with a good one is an open."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    try:
        whose = links().read_open(token)
    except BadToken:
        return _pixel()
    if request.method == "GET" and serves(_host(request), whose.tenant_id):
        buffer(clock=now).add(_hit(request, whose))
    return _pixel()


def clicked(request: HttpRequest, token: str) -> HttpResponse:
    """GET /t/c/<token>: to the target that was signed into the token, and nowhere else."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    try:
        whose, target = links().read_click(token)
    except BadToken:
        return _broken(request)
    if not serves(_host(request), whose.tenant_id):
        return _broken(request)
    if request.method == "GET":
        buffer(clock=now).add(_hit(request, whose, target=target))
    response = HttpResponse(status=302, content_type="text/plain")
    response["Location"] = iri_to_uri(target)
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """/u/<token>: GET shows a page and changes nothing, as scanners follow links; POST acts, once or many times."""
    if request.method not in {"GET", "HEAD", "POST"}:
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    try:
        whose = links().read_unsubscribe(token)
        if not serves(_host(request), whose.tenant_id):
            return _broken(request)
        return _act(request, whose) if request.method == "POST" else _show(request, whose)
    except (BadToken, MailGone):
        return _broken(request)
    except (OperationalError, InterfaceError):
        log.exception("tracking.unsubscribe.unavailable")
        return _later(request, status=503, seconds=RETRY_SECONDS)


def _show(request: HttpRequest, whose: Addressee) -> HttpResponse:
    return _page(request, unsubscribing.choice(whose, now=now()), done=False)


def _act(request: HttpRequest, whose: Addressee) -> HttpResponse:
    wanted = _wanted(request)
    if wanted is None:
        return _broken(request)
    grant = limiter().take(
        f"unsubscribe:{whose.recipient_id}",
        tokens=1,
        rate=CHOICES_PER_MINUTE / 60,
        burst=CHOICES_PER_MINUTE,
    )
    if not grant.granted:
        return _later(request, status=429, seconds=max(1, round(grant.retry_after)))
    if wanted == "unsubscribe":
        return _page(request, unsubscribing.unsubscribe(whose, now=now()), done=True)
    actor = Actor(
        type="recipient",
        id=str(whose.recipient_id),
        ip=client_ip(request.META),
        request_id=getattr(request, "request_id", ""),
    )
    return _page(request, unsubscribing.subscribe_again(whose, actor=actor, now=now()), done=True)


def _wanted(request: HttpRequest) -> str | None:
    """What a form asks for: `unsubscribe` (RFC 8058 3.1 says it in its own words), `subscribe`, or nothing we know."""
    form = _form(request)
    name, value = _ONE_CLICK
    if form.get(name, "").lower() == value.lower():
        return "unsubscribe"
    return form.get("action") if form.get("action") in {"unsubscribe", "subscribe"} else None


def _form(request: HttpRequest) -> QueryDict:
    """The fields of a short form, of either type that RFC 8058 allows."""
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return QueryDict()
    if length > MAX_BODY:
        return QueryDict()
    try:
        return request.POST
    except (MultiPartParserError, UnicodeError):
        return QueryDict()


def _hit(request: HttpRequest, whose: Addressee, *, target: str | None = None) -> Hit:
    headers = request.headers
    return Hit(
        recipient_id=whose.recipient_id,
        target=target,
        at=now(),
        ip=client_ip(request.META),
        user_agent=headers.get("User-Agent", "")[:MAX_LENGTH],
        prefetched=says_prefetch(*(headers.get(name, "") for name in _PREFETCH_HEADERS)),
    )


def _host(request: HttpRequest) -> str:
    """As it came: it decides whose links work, and is written nowhere."""
    return str(request.META.get("HTTP_HOST", ""))


def _pixel() -> HttpResponse:
    response = HttpResponse(PIXEL, content_type="image/gif")
    response["Cache-Control"] = "no-store"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _page(request: HttpRequest, choice: Choice, *, done: bool) -> HttpResponse:
    return public_page(request, "unsubscribe.html", {"choice": choice, "done": done})


def _broken(request: HttpRequest) -> HttpResponse:
    return public_page(request, "link_broken.html", {}, status=400)


def _later(request: HttpRequest, *, status: int, seconds: int) -> HttpResponse:
    response = public_page(request, "link_later.html", {}, status=status)
    response["Retry-After"] = str(seconds)
    return response


routes = [
    path("t/o/<str:token>", opened),
    path("t/c/<str:token>", clicked),
    path("u/<str:token>", unsubscribe),
]
