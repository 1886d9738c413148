"""The caller's address, behind proxies that are trusted and proxies that are not."""

import pytest

from tenants.keys.reach import networks
from tenants.keys.sources import client_ip, comes_from


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("192.0.2.7", "203.0.113.9", "192.0.2.7"),  # nobody trusts this peer
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),  # the left one is the caller's invention
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3,10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "rubbish", "10.0.0.1"),
        ("10.0.0.1", "rubbish, 10.0.0.2", "10.0.0.2"),
        ("::ffff:10.0.0.1", " 2001:DB8::1 ", "2001:db8::1"),
        ("::ffff:192.0.2.7", "", "192.0.2.7"),
        ("fe80::1%eth0", "", "fe80::1"),
        ("", "203.0.113.9", ""),
    ],
)
def test_the_right_most_untrusted_address_is_the_caller(
    settings, peer: str, forwarded: str, found: str
) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    assert client_ip({"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}) == found


def test_no_proxy_is_trusted_unless_named(settings) -> None:
    settings.TRUSTED_PROXIES = []
    assert client_ip({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}) == "10.0.0.1"


def test_an_unknown_address_comes_from_no_network() -> None:
    everywhere = networks(["0.0.0.0/0", "::/0"])
    assert comes_from("192.0.2.7", everywhere)
    assert not comes_from("", everywhere)
