"""nginx lets through what Mailgrid takes, and keeps from outside what is for inside."""

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from django.urls import URLResolver, get_resolver, resolve

from emails.feedback.api import MAX_BODY
from tests.unit.deploy.declared import DEPLOY

TEXT: Final = (DEPLOY / "nginx.conf.example").read_text()
API, FLOWER = (server for server in TEXT.split("\nserver {") if "listen 443" in server)
LOCATION = re.compile(r"location (?:(=|~) )?(\S+) \{(.*?)\n    \}", re.DOTALL)
LOCATIONS: Final = {path: body for _, path, body in LOCATION.findall(API)}
SIZES: Final = {"k": 1024, "m": 1024 * 1024}


def largest_body(text: str) -> int:
    """Bytes that nginx lets through."""
    number, suffix = re.search(r"client_max_body_size (\d+)([km]);", text).groups()  # type: ignore[union-attr]
    return int(number) * SIZES[suffix]


def views(entries: Any = None) -> Iterator[Any]:
    for entry in get_resolver().url_patterns if entries is None else entries:
        if isinstance(entry, URLResolver):
            yield from views(entry.url_patterns)
        else:
            yield getattr(entry.callback, "view_class", None)


def test_the_largest_body_of_the_api_gets_through() -> None:
    limits = {view.body_limit for view in views() if hasattr(view, "body_limit")}
    assert len(limits) == 5
    assert max(limits) < largest_body(API.partition("location")[0]) < 1.1 * max(limits)


def test_the_largest_notification_gets_through() -> None:
    assert largest_body(LOCATIONS["/hooks/"]) > MAX_BODY


@pytest.mark.parametrize(
    "path",
    [
        "/api/emails",
        "/hooks/ses/x",
        "/t/o/x",
        "/t/c/x",
        "/u/x",
        "/healthz",
        "/",
        "/docs",
        "/openapi.json",
        "/admin/",
    ],
)
def test_what_is_passed_on_exists(path: str) -> None:
    (body,) = [
        body
        for equal, start, body in LOCATION.findall(API)
        if (
            path == start
            if equal == "="
            else re.match(start, path)
            if equal == "~"
            else start != "/" and path.startswith(start)
        )
    ]
    assert "proxy_pass http://mailgrid;" in body
    assert resolve(path)


def test_what_is_for_inside_is_not_passed_on() -> None:
    assert not {"/metrics", "/readyz"} & set(LOCATIONS)
    assert [body.strip() for equal, path, body in LOCATION.findall(API) if (equal, path) == ("", "/")] == [
        "return 404;"
    ]


def test_the_console_and_flower_are_for_networks_of_operators() -> None:
    for body in (LOCATIONS["/admin/"], FLOWER):
        assert re.search(r"allow [^;]+;\s+deny all;\s", body)


def test_mailgrid_hears_who_calls() -> None:
    assert "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;" in API
    assert "proxy_set_header Host $host;" in API
