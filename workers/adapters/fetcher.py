"""The guarded HTTP client: calls to URLs that tenants name (docs/api.md). Attachments are fetched by it.

What it promises of every call: the URL is looked at, and every address its host resolves to; the connection goes to
such an address, with the host's name in `Host`, SNI and the check of the certificate; redirects are answers and not
followed; proxies of the environment are ignored; nothing is decompressed; one deadline and one limit of bytes hold for
all of it.
"""

import time
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from emails.attachments.ports import NotFetched
from mailgrid.core.hosts import ForbiddenHost, check_web_url
from workers.dialing import dialer
from workers.wire import AnswerLost, NotSent, Reply, Wire

FETCH_SECONDS: Final = 45.0  # for all of it: below the lease of what is fetched
USER_AGENT: Final = "Mailgrid"

_WORTH_ANOTHER_TRY: Final = frozenset({408, 425, 429, *range(500, 600)})


def call(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes = b"",
    seconds: float,
    answer_bytes: int,
    allowed: Collection[str],
    ca_bundle: str | None = None,
) -> Reply:
    """One guarded exchange. `allowed` are the hosts and addresses that the operator lists though not public.

    Raises `ForbiddenHost` for a URL that may not be called, `NotSent` (with the code `forbidden_host` where an address
    may not) and `AnswerLost`; ValueError for headers that are not lines of ASCII.
    """
    deadline = time.monotonic() + seconds
    parts = urlsplit(check_web_url(url, allowed=allowed))
    wire = Wire(
        f"{parts.scheme}://{parts.netloc}",
        size=0,
        ca_bundle=ca_bundle,
        dial=dialer(allowed),
        answer_bytes=answer_bytes,
    )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = {"host": wire.host, "user-agent": USER_AGENT, "accept": "*/*", "connection": "close", **headers}
    return wire.exchange(method, path, headers=fields, body=body, deadline=deadline)


def fetch(
    url: str,
    *,
    headers: Mapping[str, str],
    limit: int,
    seconds: float = FETCH_SECONDS,
    ca_bundle: str | None = None,
) -> bytes:
    """See `emails.attachments.ports.Fetcher`."""
    try:
        reply = call(
            "GET",
            url,
            headers=headers,
            seconds=seconds,
            answer_bytes=limit,
            allowed=settings.UNSAFE_HOSTS,
            ca_bundle=ca_bundle,
        )
    except ForbiddenHost as error:
        raise NotFetched("forbidden_host", str(error), for_good=True) from error
    except ValueError as error:
        raise NotFetched("bad_header", str(error), for_good=True) from error
    except (NotSent, AnswerLost) as error:
        raise NotFetched(error.code, str(error), for_good=error.code == "forbidden_host") from error
    return _content(reply, limit)


def _content(reply: Reply, limit: int) -> bytes:
    if reply.status != 200:
        for_good = reply.status not in _WORTH_ANOTHER_TRY
        followed = ": redirects are not followed" if 300 <= reply.status < 400 else ""
        raise NotFetched(f"http_{reply.status}", f"HTTP {reply.status}{followed}", for_good=for_good)
    if reply.lost == "answer_too_large":
        raise NotFetched(reply.lost, f"More than {limit:,} bytes.", for_good=True)
    if reply.lost:
        raise NotFetched(reply.lost, "The answer did not come in full.", for_good=False)
    if (coding := reply.headers.get("content-encoding", "identity")).lower() != "identity":
        raise NotFetched("content_encoding", f"The answer is encoded ({coding}), unasked.", for_good=True)
    return reply.body
