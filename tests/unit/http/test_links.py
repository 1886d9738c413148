"""Links to one download each."""

from datetime import UTC, datetime, timedelta

import pytest

from mailgrid.core.errors import NotFound
from mailgrid.http.links import VALID, download_link, read_token

NOW = datetime(2026, 11, 25, 12, 0, 0, 900_000, UTC)


def token(*named: str) -> str:
    return download_link(*named, now=NOW)[0].rpartition("/")[2]


def test_a_link_says_what_was_put_into_it_for_an_hour(settings):
    settings.PUBLIC_URL = "https://mail.example.com"
    url, expires_at = download_link("file", "0199", now=NOW)
    assert url.startswith("https://mail.example.com/f/")
    assert expires_at == datetime(2026, 11, 25, 13, 0, 0, 0, UTC)
    assert read_token(url.rpartition("/")[2], now=NOW) == ("file", "0199")
    assert read_token(url.rpartition("/")[2], now=expires_at - timedelta(seconds=1)) == ("file", "0199")
    with pytest.raises(NotFound):
        read_token(url.rpartition("/")[2], now=expires_at)
    assert timedelta(hours=1) == VALID


def test_another_secret_opens_nothing(settings):
    made = token("file", "0199")
    settings.SECRET_KEY = "another"
    with pytest.raises(NotFound):
        read_token(made, now=NOW)


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "é", "=" * 40, "A" * 500])
def test_what_is_no_token_opens_nothing(text):
    with pytest.raises(NotFound):
        read_token(text, now=NOW)
