"""GET /f/<token>: one file for whoever has the link. Browsers keep it as a file and run nothing of it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path

from emails.messages import attachments
from mailgrid.core import blobs
from mailgrid.core.clock import now
from mailgrid.core.errors import NotFound
from mailgrid.core.files import Kept
from mailgrid.http.errors import MethodNotAllowed
from mailgrid.http.links import read_token
from tenants.files import selectors as files

# What each kind of link leads to: found by the ids that the link names, as things stand when it is followed.
_FOUND: Final[dict[str, Callable[..., Kept]]] = {
    files.LINK: files.linked,
    attachments.LINK: attachments.linked,
}
_ATTRIBUTE_CHARACTERS: Final = "!#$&+^`|"  # beside those that `quote` leaves alone (RFC 8187, attr-char)


def download(request: HttpRequest, token: str) -> HttpResponseBase:
    """The bytes behind a link; 404 for a link that is forged, too old, or whose file is gone."""
    if request.method not in {"GET", "HEAD"}:
        raise MethodNotAllowed("A link can only be read.")
    moment = now()
    kind, *ids = read_token(token, now=moment)
    found = _find(kind, ids, moment)
    response = _body(found) if request.method == "GET" else HttpResponse()
    response["Content-Type"] = found.content_type
    response["Content-Length"] = str(found.size)
    response["Content-Disposition"] = disposition(found.filename)
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _body(found: Kept) -> FileResponse | HttpResponse:
    try:
        return FileResponse(blobs.reader(found.blob))
    except blobs.BlobMissing:
        raise NotFound("This file is gone.") from None


def _find(kind: str, ids: list[str], moment: datetime) -> Kept:
    return _FOUND[kind](*ids, now=moment)


def disposition(filename: str) -> str:
    """The field's value (RFC 6266): a name for every client, and the exact one for those that read RFC 8187."""
    plain = "".join(one if " " <= one <= "~" and one not in '"\\%' else "_" for one in filename)
    exact = f"; filename*=UTF-8''{quote(filename, safe=_ATTRIBUTE_CHARACTERS)}" if plain != filename else ""
    return f'attachment; filename="{plain}"{exact}'


routes: list[Any] = [path("f/<str:token>", download)]
