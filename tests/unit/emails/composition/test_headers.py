"""A sender's own header fields: which are taken, and how values are written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails.composition.headers import HeaderRefused, check_headers, check_text, encode_value, fold, sendable
from mailgrid.core.encoded_words import decode_words

CONTROLS = [
    "\r",
    "\n",
    "\r\nBcc: x@evil.test",
    "\x85",
    "\u2028",
    "\u2029",
    "\v",
    "\f",
    "\0",
    "\t",
    "\x7f",
    "\ud800",
]
HIDDEN_CONTROLS = [
    "=?utf-8?q?a=0ABcc:_x?=",
    "=?utf-8?Q?=0D?=",
    "=?utf-8?b?YQ0KQmNj?=",
    "=?utf-8?q?=C2=85?=",
    "=?x?q?a?=",
]
LINES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=998)


def refusal(headers: Any) -> HeaderRefused:
    with pytest.raises(HeaderRefused) as caught:
        check_headers(headers)
    return caught.value


def test_good_headers_are_returned_in_order() -> None:
    given_headers = {
        "X-Tags": '["a"]',
        "List-Unsubscribe": " <https://x.test/u> ",
        "Date": "now",
        "X-Name": "Jürgen",
    }
    assert check_headers(given_headers) == (
        ("X-Tags", '["a"]'),
        ("List-Unsubscribe", "<https://x.test/u>"),
        ("Date", "now"),
        ("X-Name", "Jürgen"),
    )


@pytest.mark.parametrize(
    "name",
    [
        *(
            "From",
            "to",
            "CC",
            "Bcc",
            "Sender",
            "Reply-To",
            "Subject",
            "Return-Path",
            "Received",
            "MIME-Version",
        ),
        *("Content-Type", "content-id", "DKIM-Signature", "ARC-Seal", "Authentication-Results"),
        *("X-SES-MESSAGE-TAGS", "X-SES-CONFIGURATION-SET", "x-mailgrid-anything"),
    ],
)
def test_reserved_names_are_refused_in_any_letter_case(name: str) -> None:
    error = refusal({name.swapcase(): "x"})
    assert (error.name, error.code) == (name.swapcase(), "reserved_header")


@pytest.mark.parametrize("evil", [*CONTROLS, ":", " ", "é", "", "_", "=?utf-8?q?a?="])
def test_a_name_has_only_letters_digits_and_hyphens(evil: str) -> None:
    assert refusal({f"X{evil}" if evil else "": "x"}).code == "invalid_type"


@pytest.mark.parametrize("evil", CONTROLS + HIDDEN_CONTROLS)
@pytest.mark.parametrize("form", ["{}", "a{}", "{}b", "a {} b"])
def test_values_and_subjects_are_one_line(form: str, evil: str) -> None:
    assert refusal({"X-A": form.format(evil)}).code == "invalid_type"
    with pytest.raises(HeaderRefused) as caught:
        check_text("subject", form.format(evil))
    assert (caught.value.name, caught.value.code) == ("subject", "invalid_type")


def test_limits_hold_on_both_sides() -> None:
    assert len(check_headers({f"X-{n}": "v" for n in range(50)})) == 50
    assert refusal({f"X-{n}": "v" for n in range(51)}).code == "too_many"
    assert check_headers({"X" * 64: "v"})
    assert refusal({"X" * 65: "v"}).code == "too_long"
    assert check_headers({"X-A": "v " * 999 + "vv"})
    assert refusal({"X-A": "v " * 1_000 + "v"}).code == "too_long"
    assert check_headers({"X-A": "é" * 2_000})
    assert refusal({"X-A": "v" * 901}).code == "too_long"
    assert check_text("subject", "s" * 998)
    with pytest.raises(HeaderRefused):
        check_text("subject", "s" * 999)


def test_wrong_types_and_doubles_are_refused() -> None:
    assert refusal({"X-A": 1}).code == "invalid_type"
    assert refusal({1: "a"}).code == "invalid_type"
    assert refusal({"X-A": "a", "x-a": "b"}).code == "mutually_exclusive"


def test_date_and_message_id_are_kept_on_record_but_not_sent() -> None:
    assert sendable((("date", "now"), ("X-A", "a"), ("Message-Id", "<a@b>"))) == (("X-A", "a"),)


@given(LINES)
def test_any_checked_text_is_written_in_short_ascii_lines_and_reads_back(text: str) -> None:
    if "=?" in text:
        return
    field = fold("Subject", encode_value(check_text("subject", text)))
    assert field.isascii()
    lines = field.removesuffix("\r\n").split("\r\n")
    assert all(len(line) <= 998 for line in lines)
    assert all(line.startswith(" ") and line.strip() for line in lines[1:])
    assert decode_words("".join(lines).removeprefix("Subject: ")) == text
    if not text.isascii():
        assert all(len(line) <= 76 for line in lines)


def test_folding_stays_within_78_columns_where_words_allow() -> None:
    assert all(
        len(line) <= 78 for line in fold("Subject", "a few words  and spaces " * 40 + "end").split("\r\n")
    )


@pytest.mark.parametrize("value", [*CONTROLS, "é", " a", "a ", "x" * 901])
def test_the_gate_lets_nothing_through_that_is_not_a_line(value: str) -> None:
    with pytest.raises(HeaderRefused):
        fold("X-A", value)
