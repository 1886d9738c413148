"""Dates and amounts of money."""

from typing import Any

import pytest

from templates.handlebars import HelperError, compile


def render(source: str, **data: Any) -> str:
    return compile(source, escape=False).render(data)


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        ("x", "Mar 1, 2026"),
        ("x 'short'", "3/1/26"),
        ("x 'full' locale='de'", "Sonntag, 1. März 2026"),
        ("x 'long' locale='fr-FR'", "1 mars 2026"),
        ("x 'yyyy-MM-dd HH:mm:ss'", "2026-03-01 23:30:05"),
        ("x 'yyyy-MM-dd HH:mm' 'Europe/Berlin'", "2026-03-02 00:30"),
        ("x 'd MMMM y' timezone='America/New_York' locale='es'", "1 marzo 2026"),
        ("x 'EEE h:mm a'", "Sun 11:30\u202fPM".replace("\u202f", " ")),
        ("x \"d 'of' MMMM\"", "1 of March"),
        ("x 'HH:mm zzzz' 'Europe/Berlin'", "00:30 Central European Standard Time"),
        ("x 'XXX' 'Asia/Kolkata'", "+05:30"),
        ("x null null 'de'", "01.03.2026"),
    ],
)
def test_a_time_is_told_in_a_pattern_a_zone_and_a_language(arguments, printed):
    assert render(f"{{{{date {arguments}}}}}", x="2026-03-01T23:30:05Z") == printed


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "Pacific/Honolulu"])
def test_a_date_alone_is_the_same_in_every_zone(zone):
    assert render(f"{{{{date x 'yyyy-MM-dd HH:mm' '{zone}'}}}}", x="2026-03-01") == "2026-03-01 00:00"
    assert render(f"{{{{date x timezone='{zone}'}}}}", x="2026-03-01") == "Mar 1, 2026"


@pytest.mark.parametrize(
    "time", ["2026-03-01T12:00", "2026-03-01T12:00:00+00:00", "2026-03-01 13:00:00+01:00"]
)
def test_a_time_without_an_offset_is_utc(time):
    assert render("{{date x 'HH:mm' 'Europe/Berlin'}}", x=time) == "13:00"


def test_null_prints_empty():
    assert render("[{{date x}}{{currency x 'EUR'}}]", x=None) == "[]"


@pytest.mark.parametrize(
    "value", ["", "today", "1.3.2026", "2026-13-01", "x" * 100_000, 1_772_000_000, True, [], {}]
)
def test_what_is_no_date_is_refused(value):
    with pytest.raises(HelperError, match=r"date: .* is no date or time of ISO 8601") as error:
        render("{{date x}}", x=value)
    assert len(error.value.message) < 200


@pytest.mark.parametrize(
    "zone", ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Europe", "", "x" * 9999, 5, "posixrules\0"]
)
def test_an_unknown_zone_is_refused(zone):
    with pytest.raises(HelperError, match="is no time zone, such as Europe/Berlin"):
        render("{{date '2026-03-01' 'y' zone}}", zone=zone)


@pytest.mark.parametrize("locale", ["xx-YY", "../de", "de/../../x", "", "d" * 9999, 5, "root.dat", "nul"])
def test_an_unknown_locale_is_refused(locale):
    with pytest.raises(HelperError, match="is no locale, such as de-DE"):
        render("{{date '2026-03-01' 'y' 'UTC' l}}", l=locale)
    with pytest.raises(HelperError, match="is no locale, such as de-DE"):
        render("{{currency 1 'EUR' l}}", l=locale)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("YYYY-MM-dd", "Y has no meaning in a pattern: write y for the year"),
        ("yyyy-MM-DD", "D has no meaning in a pattern: write d for the day of the month"),
        ("d of M", "o has no meaning in a pattern: quote it, as in 'at'"),
        ("dddddd", "dddddd is no pattern"),
        ("S" * 99, "SSSSSSS is too wide a field in a pattern"),
        ("", "a pattern is a text of 1 to 100 characters"),
        ("y" * 101, "a pattern is a text of 1 to 100 characters"),
        (5, "a pattern is a text of 1 to 100 characters"),
    ],
)
def test_a_pattern_that_would_print_nonsense_is_refused(pattern, message):
    with pytest.raises(HelperError) as error:
        render("{{date '2026-03-01' p}}", p=pattern)
    assert message in error.value.message


@pytest.mark.parametrize(
    ("value", "arguments", "printed"),
    [
        (12.5, "", "$12.50"),
        (12.5, "'EUR'", "€12.50"),
        (1234.5, "'EUR' 'de-DE'", "1.234,50\u00a0€"),
        (1234.5, "code='EUR' locale='de_DE'", "1.234,50\u00a0€"),
        ("1234.50", "'GBP' 'en-GB'", "£1,234.50"),
        (-3, "'USD' 'en_US'", "-$3.00"),
        (1234.5, "'JPY' 'ja'", "￥1,234"),
        (0.1, "'EUR'", "€0.10"),
        (1e-9, "'EUR'", "€0.00"),
        (999_999_999_999_999, "'EUR'", "€999,999,999,999,999.00"),
    ],
)
def test_an_amount_is_told_in_a_currency_and_a_language(value, arguments, printed):
    assert render(f"{{{{currency x {arguments}}}}}", x=value) == printed


@pytest.mark.parametrize(
    "value",
    ["", "1,5", "1e5", "٣", "9" * 10_000, 10**15, 10**4000, 1e300, float("nan"), float("inf"), True, [], {}],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_amount_is_refused(value):
    with pytest.raises(HelperError, match=r"currency: .* is no amount, such as 12\.5, below 1e15") as error:
        render("{{currency x 'EUR'}}", x=value)
    assert len(error.value.message) < 200


@pytest.mark.parametrize("code", ["", "eur", "EURO", "XQX", "E" * 9999, 5, [], {}])
def test_an_unknown_currency_is_refused(code):
    with pytest.raises(HelperError, match="is no currency code, such as EUR"):
        render("{{currency 1 code}}", code=code)
