"""What mail programs need to offer unsubscribing (RFC 2369, RFC 8058)."""

import pytest

from emails.tracking.headers import unsubscribe_headers

POST = ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")


def test_the_page_and_one_click_are_offered_over_https() -> None:
    url = "https://links.acme.test/u/token"
    assert unsubscribe_headers(url) == (("List-Unsubscribe", f"<{url}>"), POST)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "mail.localhost"])
def test_all_of_it_can_be_tried_on_ones_own_machine(host: str) -> None:
    assert POST in unsubscribe_headers(f"http://{host}/u/token")


@pytest.mark.parametrize("host", ["mail.example.com", "10.0.0.7:8000", "localhost.example.com"])
def test_one_click_is_not_offered_over_plain_http(host: str) -> None:
    url = f"http://{host}/u/token"
    assert unsubscribe_headers(url) == (("List-Unsubscribe", f"<{url}>"),)
