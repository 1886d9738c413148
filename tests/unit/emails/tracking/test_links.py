"""Links name tenant and recipient, lead where they were signed to lead, and hold no address (A19, A20, A21)."""

import base64
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from emails.tracking.links import MAX_TARGET, Addressee, Links, OwnLinks, is_target
from mailgrid.core.tokens import BadToken, Signer

SECRET = "a secret"
LINKS = Links(SECRET)
ANN = Addressee(UUID(int=1), UUID(int=7))
BASE = "https://mail.example.com"
TARGETS = [
    "https://example.com",
    "http://example.com/",
    "HTTPS://EXAMPLE.COM/Path?a=1&b=2#c",
    "https://example.com:8443/a b",
    "https://user:pass@example.com/",
    "https://example.com?q=a@b",
    "https://[2001:db8::1]/x",
    "https://xn--mnchen-3ya.example/straße?q=ü",
    "https://example.com/" + "x" * (MAX_TARGET - 20),
]
# Fault test A19, and their relatives: what one reader takes for our host and another for theirs.
NO_TARGETS = [
    *(
        "//evil.test",
        "/\\evil.test",
        "\\\\evil.test",
        "https:evil.test",
        "https:/evil.test",
        "https:///evil.test",
    ),
    *(
        "https://",
        "https://?x",
        "https:// evil.test",
        "https://evil.test\\@example.com",
        "https://exa\tmple.com",
    ),
    *(
        "data:text/html,x",
        "javascript:alert(1)",
        "mailto:a@example.com",
        "ftp://example.com",
        "file:///etc/passwd",
    ),
    *(
        "https://example.com/\r\nSet-Cookie: a=b",
        "https://example.com/\n",
        "https://example.com/\0",
        " https://a.test",
    ),
    *(
        "http\u017f://example.com",
        "https://exa\u212ample.com",
        "https://münchen.example",
        "https://a.test/\ud800",
        "",
        "x",
    ),
    *(
        "https://example.com/\u2028",
        "https://example.com/\x85",
        "https://example.com:123456/",
        "https://a:b:c/",
    ),
    "https://example.com/" + "x" * (MAX_TARGET - 19),
]


def own(base: str = BASE, *origins: str) -> OwnLinks:
    return OwnLinks(links=LINKS, whose=ANN, base=base, origins=(base, *origins))


def token_of(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.mark.parametrize("target", TARGETS)
def test_a_click_leads_where_it_was_signed_to_lead(target: str) -> None:
    url = LINKS.click_url(BASE, ANN, target)
    assert url.startswith(f"{BASE}/t/c/")
    assert LINKS.read_click(token_of(url)) == (ANN, target)


@pytest.mark.parametrize("target", NO_TARGETS)
def test_no_click_leads_anywhere_else_even_if_we_had_signed_it(target: str) -> None:
    assert not is_target(target)
    with pytest.raises(ValueError, match="absolute http or https"):
        LINKS.click_url(BASE, ANN, target)
    payload = b"\x01" + ANN.tenant_id.bytes + ANN.recipient_id.bytes + target.encode("utf-8", "surrogatepass")
    with pytest.raises(BadToken):
        LINKS.read_click(Signer(SECRET, purpose="click").sign(payload))


@given(st.text(max_size=60))
def test_whatever_a_target_holds_it_stays_one_line_to_an_http_host(rest: str) -> None:
    assume(is_target("https://example.com/" + rest))
    assert not set(rest) & set("\r\n\0\\")


def test_the_three_kinds_of_links_do_not_open_each_other() -> None:
    urls = {
        LINKS.read_open: LINKS.open_url(BASE, ANN),
        LINKS.read_click: LINKS.click_url(BASE, ANN, "https://example.com"),
        LINKS.read_unsubscribe: LINKS.unsubscribe_url(BASE, ANN),
    }
    for read in urls:
        for meant_for, url in urls.items():
            if meant_for is read:
                read(token_of(url))
                continue
            with pytest.raises(BadToken):
                read(token_of(url))


def test_a_link_names_ids_and_no_address() -> None:
    for url in (LINKS.open_url(BASE, ANN), LINKS.unsubscribe_url(BASE, ANN)):
        said = base64.urlsafe_b64decode(token_of(url) + "==")
        assert said[:-16] == b"\x01" + ANN.tenant_id.bytes + ANN.recipient_id.bytes
    assert LINKS.read_unsubscribe(token_of(LINKS.unsubscribe_url(BASE, ANN))) == ANN


@pytest.mark.parametrize(
    "payload", [b"", b"\x01", b"\x01" + b"x" * 31, b"\x02" + b"x" * 32, b"\x01" + b"x" * 33]
)
def test_a_payload_of_another_shape_is_refused(payload: bytes) -> None:
    with pytest.raises(BadToken):
        LINKS.read_open(Signer(SECRET, purpose="open").sign(payload))


@pytest.mark.parametrize("path", ["/u/x", "/t/o/x", "/t/c/x", "/v/x", "/f/x", "/c/x"])
def test_links_to_ourselves_stay_as_they_are(path: str) -> None:
    links = own("https://links.acme.test", BASE)
    assert links.click(f"{BASE}{path}") is None
    assert links.click(f"https://links.acme.test{path}") is None
    assert links.click(f"https://other.test{path}") is not None
    assert links.click(links.unsubscribe()) is None


def test_pages_of_the_tenant_at_its_own_host_are_counted() -> None:
    assert own("https://acme.test").click("https://acme.test/unsubscribe-policy") is not None
