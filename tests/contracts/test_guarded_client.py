"""The guarded client opens no connection but to an address of everybody's, whatever a URL says (A08 to A11)."""

import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address, ip_network
from itertools import cycle
from typing import Any

import pytest

from emails.attachments.places import read_place
from emails.attachments.ports import NotFetched
from mailgrid.core.hosts import ForbiddenHost
from tests.contracts.forbidden_urls import INSIDE_4, LEADING_INSIDE, MISLEADING, RESOLVED, URLS, WRITTEN
from tests.fakes.smtp.authority import Authority, Certificate
from tests.fakes.web import Web
from workers.adapters.fetcher import call, fetch
from workers.wire import NotSent

SECONDS = 5.0
# Written down apart from the guard itself: what is not for us (IANA special-purpose address registries).
_NOT_EVERYBODYS = [
    ip_network(one)
    for one in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3", "::/3", "4000::/2", "8000::/1"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
]


class Tap:
    """Sees every connection this process begins, before it does; none is made to an address that is not local."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.is_open = False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.is_open and event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
            address = arguments[-1]
            self.seen.append(address[0] if isinstance(address, tuple) else str(address))
            raise ConnectionRefusedError(111, "tapped")


_TAP = Tap()
sys.addaudithook(_TAP)


@pytest.fixture
def tap() -> Iterator[Tap]:
    _TAP.seen.clear()
    _TAP.is_open = True
    yield _TAP
    _TAP.is_open = False


def answers(addresses: list[str], port: int) -> list[Any]:
    if not addresses:
        raise socket.gaierror(-2, "Name or service not known")
    return [
        (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
        for one in addresses
    ]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Names and what they stand for; numbers in every notation are understood as libc understands them."""
    known: dict[str, Any] = {"public.example.com": ["1.1.1.1"], "nowhere.example.com": [], **RESOLVED}

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        found = known.get(host.rstrip("."))
        if found is None:
            try:
                return answers([socket.inet_ntoa(socket.inet_aton(host.rstrip(".")))], port)
            except OSError:
                return answers([host] if ":" in host else [], port)
        return answers(found if isinstance(found, list) else next(found), port)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def get(url: str, **more: Any) -> Any:
    options = {"seconds": SECONDS, "answer_bytes": 1000, "allowed": frozenset(), **more}
    return call("GET", url, headers={}, **options)


def test_the_corpus_is_large():
    assert len(URLS) == len(set(URLS)) >= 600
    assert min(len(WRITTEN), len(MISLEADING), len(LEADING_INSIDE)) > 90


def outcome(url: str) -> str:
    """What a call came to; in one word, because there are hundreds of them."""
    try:
        get(url)
    except ForbiddenHost:
        return "refused as it is written"
    except NotSent as error:
        return error.code
    return "called"


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        (WRITTEN, "refused as it is written"),
        (MISLEADING, "refused as it is written"),
        (LEADING_INSIDE, "forbidden_host"),
        (["https://nowhere.example.com/"], "dns"),
    ],
)
def test_no_connection_is_opened(tap: Tap, resolver: dict[str, Any], urls: list[str], expected: str) -> None:
    outcomes = {url: outcome(url) for url in urls}
    assert {url: word for url, word in outcomes.items() if word != expected} == {}
    assert tap.seen == []


@pytest.mark.parametrize(
    "url", ["http://public.example.com/", "https://public.example.com:8443/x?y=z", "http://1.1.1.1/"]
)
def test_the_tap_sees_a_connection_to_a_public_address(tap: Tap, resolver: dict[str, Any], url: str) -> None:
    """Else the test above proved nothing."""
    with pytest.raises(NotSent) as refused:
        get(url)
    assert (tap.seen, refused.value.code) == (["1.1.1.1"], "connect")


def test_a_name_that_changes_its_mind_is_followed_to_public_addresses_only(
    tap: Tap, resolver: dict[str, Any]
) -> None:
    """TTL 0, and another answer each time (A09): what was looked at is what is connected to."""
    for place, inside in enumerate(INSIDE_4):
        name = f"rebind{place}.example.com"
        resolver[name] = cycle([["1.1.1.1"], [inside]])
        codes = []
        for _ in range(6):
            with pytest.raises(NotSent) as refused:
                get(f"http://{name}/")
            codes.append(refused.value.code)
        assert codes == ["connect", "forbidden_host"] * 3
    assert set(tap.seen) == {"1.1.1.1"}
    assert len(tap.seen) == 3 * len(INSIDE_4)
    assert not any(ip_address(one) in net for one in set(tap.seen) for net in _NOT_EVERYBODYS)


def test_each_name_is_resolved_once_for_each_call(
    resolver: dict[str, Any], tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    look_up = socket.getaddrinfo

    def count(host: Any, *rest: Any, **more: Any) -> Any:
        asked.append(host)
        return look_up(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", count)
    for url in ("http://public.example.com/", "https://public.example.com/"):
        with pytest.raises(NotSent):
            get(url)
    assert asked == ["public.example.com"] * 2


def test_what_may_not_be_called_may_not_be_named_either() -> None:
    """Attachments and the URLs of their sources are looked at when they are saved (A11)."""
    taken = []
    for url in (*WRITTEN, *MISLEADING):
        with suppress(ForbiddenHost):
            taken.append(read_place(url, allowed=()))
    assert taken == []


# ---- What the operator lists ----------------------------------------------------------------------------------------


@pytest.fixture
def web() -> Iterator[Web]:
    with Web(pages={"/a.pdf": b"%PDF-1.7", "/empty": b""}) as server:
        yield server


def read(web: Web, path: str, *, limit: int = 1000, seconds: float = SECONDS, **headers: str) -> bytes:
    return fetch(f"{web.url}{path}", headers=headers, limit=limit, seconds=seconds)


@pytest.fixture(autouse=True)
def _listed(settings: Any) -> None:
    settings.UNSAFE_HOSTS = frozenset({"127.0.0.1"})


def test_a_listed_host_is_read(web: Web) -> None:
    assert read(web, "/a.pdf?version=2", Authorization="Bearer x") == b"%PDF-1.7"
    (heard,) = web.heard
    assert (heard.method, heard.path) == ("GET", "/a.pdf?version=2")
    named = {name.lower(): value for name, value in heard.headers.items()}
    assert named["host"] == f"127.0.0.1:{web.port}"
    assert (named["authorization"], named["accept-encoding"]) == ("Bearer x", "identity")
    assert read(web, "/empty") == b""


def test_a_host_that_is_not_listed_is_not(web: Web, settings: Any) -> None:
    settings.UNSAFE_HOSTS = frozenset()
    with pytest.raises(NotFetched) as refused:
        read(web, "/a.pdf")
    assert (refused.value.code, refused.value.for_good) == ("forbidden_host", True)
    assert web.heard == []


def test_proxies_of_the_environment_are_ignored(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert read(web, "/a.pdf") == b"%PDF-1.7"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(web: Web, status: int) -> None:
    with pytest.raises(NotFetched) as refused:
        read(web, f"/status/{status}")
    assert (refused.value.code, refused.value.for_good) == (f"http_{status}", True)
    assert "not followed" in str(refused.value)
    assert len(web.heard) == 1


@pytest.mark.parametrize(
    ("status", "for_good"),
    [
        (204, True),
        (400, True),
        (403, True),
        (404, True),
        (410, True),
        (408, False),
        (429, False),
        (500, False),
        (503, False),
    ],
)
def test_only_some_statuses_are_worth_another_try(web: Web, status: int, for_good: bool) -> None:
    with pytest.raises(NotFetched) as refused:
        read(web, f"/status/{status}")
    assert (refused.value.code, refused.value.for_good) == (f"http_{status}", for_good)


@pytest.mark.parametrize(
    ("path", "code", "for_good"),
    [
        ("/endless", "answer_too_large", True),
        ("/huge", "answer_too_large", True),
        ("/zipped", "content_encoding", True),
        ("/short", "connection_lost", False),
        ("/nonsense", "connection_lost", False),
    ],
)
def test_what_is_too_much_or_not_whole_is_no_file(web: Web, path: str, code: str, for_good: bool) -> None:
    with pytest.raises(NotFetched) as refused:
        read(web, path, limit=100_000)
    assert (refused.value.code, refused.value.for_good) == (code, for_good)


def test_the_limit_is_a_size_that_is_still_taken(web: Web) -> None:
    web.pages |= {"/limit": bytes(1000), "/over": bytes(1001)}
    assert len(read(web, "/limit")) == 1000
    with pytest.raises(NotFetched):
        read(web, "/over")


@pytest.mark.parametrize("path", ["/drip", "/silent", "/headers", "/continue"])
def test_one_deadline_holds_for_everything(web: Web, path: str) -> None:
    begun = time.monotonic()
    with pytest.raises(NotFetched) as refused:
        read(web, path, seconds=0.5)
    assert (refused.value.code, refused.value.for_good) == ("deadline", False)
    assert time.monotonic() - begun < 30  # else it had waited for the server's end


def test_a_head_without_an_end_is_cut(web: Web) -> None:
    with pytest.raises(NotFetched) as refused:
        read(web, "/headers/more")
    assert refused.value.code == "connection_lost"


def test_a_server_that_is_away_is_tried_again(web: Web) -> None:
    web.__exit__()
    with pytest.raises(NotFetched) as refused:
        read(web, "/a.pdf")
    assert (refused.value.code, refused.value.for_good) == ("connect", False)
    web.__enter__()


@pytest.mark.parametrize("value", ["a\r\nX: y", "ü", "a\nb"])
def test_a_header_that_is_more_than_one_is_refused(web: Web, value: str) -> None:
    with pytest.raises(NotFetched) as refused:
        read(web, "/a.pdf", Authorization=value)
    assert (refused.value.code, refused.value.for_good) == ("bad_header", True)
    assert web.heard == []


# ---- TLS ------------------------------------------------------------------------------------------------------------


def test_the_certificate_is_checked_against_the_name_though_an_address_is_called(
    tmp_path: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    settings.UNSAFE_HOSTS = frozenset({"somebody-else.example", "localhost"})
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, port, **_: answers(["127.0.0.1"], port))
    with Web(context=authority.context(Certificate.WRONG_NAME), pages={"/": b"secret"}) as web:
        rest = {"headers": {}, "limit": 1000, "seconds": SECONDS}
        ca_bundle = str(authority.ca_file)
        named = f"https://somebody-else.example:{web.port}/"
        assert fetch(named, **rest, ca_bundle=ca_bundle) == b"secret"
        assert web.heard[0].headers["host"] == f"somebody-else.example:{web.port}"
        for url, trusted in ((f"https://localhost:{web.port}/", ca_bundle), (named, None)):
            with pytest.raises(NotFetched) as refused:
                fetch(url, **rest, ca_bundle=trusted)
            assert (refused.value.code, refused.value.for_good) == ("tls", False)
        assert len(web.heard) == 1


@pytest.mark.parametrize("kind", [Certificate.SELF_SIGNED, Certificate.EXPIRED])
def test_a_bad_certificate_is_not_talked_to(tmp_path: Any, settings: Any, kind: Certificate) -> None:
    authority = Authority(tmp_path)
    settings.UNSAFE_HOSTS = frozenset({"localhost"})
    with Web(context=authority.context(kind), pages={"/": b"secret"}) as web:
        url = f"https://localhost:{web.port}/"
        with pytest.raises(NotFetched) as refused:
            fetch(url, headers={}, limit=1000, seconds=SECONDS, ca_bundle=str(authority.ca_file))
        assert refused.value.code == "tls"
        assert web.heard == []
