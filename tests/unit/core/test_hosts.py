"""No way of writing a private address gets past the guard (fault test A08)."""

from ipaddress import ip_address

import pytest

from mailgrid.core.hosts import ForbiddenHost, check_host, check_url, is_public

DISGUISED = [
    "127.0.0.1",
    "127.1",
    "0.0.0.0",
    "0",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.7",
    "224.0.0.1",
    "255.255.255.255",
    "2130706433",
    "0x7f.1",
    "0x7f000001",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "8.8.2056",
    "8.8.8.08",
    "0x8.8.8.8",
    "::",
    "::1",
    "[::1]",
    "::ffff:169.254.169.254",
    "[::ffff:169.254.169.254]",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "3fff::1",
    "fc00::1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "localhost..",
    "mail.localhost",
    "localhost.localdomain",
    "printer.local",
    "metadata.google.internal",
    "db",
    "1.0.0.127.in-addr.arpa",
    "router.home.arpa",
    "",
    ".",
    "a..b",
    "-a.example.com",
    "a-.example.com",
    "a_b.example.com",
    "mail.example.com/x",
    "mail.example.com:25",
    "user@mail.example.com",
    "mail。example。com",
    "127。0。0。1",
    "１２７.0.0.1",
    "ⓛocalhost.com",
    "bücher.example",
    "mail.example.com\n",
    "mail.example.com\x00",
    " mail.example.com",
    "mail.example.com#@evil.com",
    f"{'a' * 64}.example.com",
    f"{'a.' * 126}example",
]


@pytest.mark.parametrize("host", DISGUISED)
def test_a_host_that_is_not_public_in_its_usual_form_is_refused(host):
    with pytest.raises(ForbiddenHost):
        check_host(host)


@pytest.mark.parametrize(
    ("host", "meant"),
    [
        ("smtp.example.com", "smtp.example.com"),
        ("SMTP.Example.Com.", "smtp.example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("8.8.8.8", "8.8.8.8"),
        ("2606:4700::1111", "2606:4700::1111"),
        ("1.example.com", "1.example.com"),
        ("notlocal.example", "notlocal.example"),
    ],
)
def test_a_public_host_passes(host, meant):
    assert check_host(host) == meant


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost.", "mail.internal", "::1", "[::1]"])
def test_the_operator_may_list_exceptions(host):
    listed = frozenset({"127.0.0.1", " localhost", "Mail.internal", "::1", "[::1]"})
    assert check_host(host, allowed=listed)
    with pytest.raises(ForbiddenHost):
        check_host("127.0.0.2", allowed=listed)


@pytest.mark.parametrize(
    "url",
    [
        "http://email.example.com",
        "ftp://email.example.com",
        "//email.example.com",
        "email.example.com",
        "https://",
        "https://user@email.example.com",
        "https://user:word@email.example.com",
        "https://@email.example.com",
        "https://a#@b.example.com",
        "https://a.example.com#",
        "https://a.example.com?",
        "https://a.example.com?x=1",
        "https://a.example.com:25",
        "https://a.example.com:5432",
        "https://a.example.com:5672",
        "https://a.example.com:99999",
        "https://a.example.com:x",
        "https://a.example.com\\@b.example.com",
        "https://a.example.com\t.evil.com",
        "https://a%2eexample.com",
        "https://[::1",
        "https://[::ffff:169.254.169.254]",
        "https://2130706433",
        "https://0x7f.1",
        "https://127。0。0。1",
        "https://localhost.",
        f"https://a.example.com/{'x' * 2048}",
    ],
)
def test_a_url_that_leads_inside_or_reads_two_ways_is_refused(url):
    with pytest.raises(ForbiddenHost):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["https://email.example.com", "https://email.example.com:8443/v2", "https://8.8.8.8/"]
)
def test_https_on_a_public_host_passes(url):
    assert check_url(url) == url


def test_a_listed_host_may_be_reached_over_http_on_any_port():
    assert check_url("http://127.0.0.1:4566/", allowed={"127.0.0.1"})
    with pytest.raises(ForbiddenHost):
        check_url("http://user@127.0.0.1:4566", allowed={"127.0.0.1"})


@pytest.mark.parametrize(
    ("address", "public"),
    [("8.8.8.8", True), ("2606:4700::1111", True), ("10.0.0.1", False), ("::ffff:8.8.8.8", False)],
)
def test_a_resolved_address_is_judged_by_the_same_rule(address, public):
    assert is_public(ip_address(address)) is public
