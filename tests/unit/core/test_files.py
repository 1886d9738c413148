"""Files as people hand them over (fault test A27)."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgrid.core import files
from mailgrid.core.files import (
    BLOCKED_EXTENSIONS,
    FileRefused,
    check_content_id,
    check_content_type,
    check_filename,
    decode_content,
    type_of,
)

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
HIDDEN_CONTROLS = ["=?utf-8?q?a=0ABcc:_x?=", "=?utf-8?b?YQ0KQmNj?=", "=?x?q?a?="]


@pytest.mark.parametrize(
    "name", ["a", "Rechnung März.pdf", "a.tar.gz", 'a"b.txt', "Report 10:30.pdf", "x" * 255, "=?utf-8?q?a?="]
)
def test_ordinary_names_are_taken(name: str) -> None:
    assert check_filename(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "x" * 256,
            "x" * 300,
            ".",
            "..",
            "../../etc/passwd",
            "a/b.txt",
            r"a\b.txt",
            "C:evil.txt",
            "/etc/passwd",
        ),
        *("CON", "con.txt", "NUL", "aux.tar.gz", "COM1", "lpt9.log", "COM².txt", "CONIN$", "con .txt"),
        *(
            "photo\u202egpj.exe",
            "a\u2066b.txt",
            "a\u202ab",
            " a.txt",
            "a.txt ",
            "a.txt.",
            "evil.exe.",
            "evil.exe ",
        ),
        *("setup.exe", "SETUP.EXE", "invoice.pdf.js", ".bat", "a.ps1xml", "a.lnk", "a.VBS"),
        *(f"a{evil}b.txt" for evil in CONTROLS + HIDDEN_CONTROLS),
    ],
)
def test_names_that_mislead_are_refused(name: str) -> None:
    with pytest.raises(FileRefused):
        check_filename(name)


def test_every_extension_that_ses_blocks_is_refused() -> None:
    assert len(BLOCKED_EXTENSIONS) == 90
    for extension in BLOCKED_EXTENSIONS:
        with pytest.raises(FileRefused):
            check_filename(f"a.{extension}")


@pytest.mark.parametrize(
    "content",
    [
        "aGVs bG8=\r\n",
        "data:text/plain;base64,aGVsbG8=",
        "data:text/plain,hel%6Co",
        [104, 101, 108, 108, 111],
    ],
)
def test_content_comes_in_three_forms(content: Any) -> None:
    assert decode_content(content) == b"hello"


@pytest.mark.parametrize(
    "content",
    [
        "aGVsbG8",
        "aGVs!bG8=",
        "aGVsbG8==",
        "=aGVs",
        "aGVsbG8=aGVs",
        "a-_b",
        "é",
        "data:;base64,a!",
        [256],
        [-1],
        [1.0],
        ["a"],
        [True],
    ],
)
def test_garbage_is_refused(content: Any) -> None:
    with pytest.raises(FileRefused):
        decode_content(content)


def test_25_mb_is_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert files.MAX_BYTES == 26_214_400
    monkeypatch.setattr(files, "MAX_BYTES", 3)
    assert decode_content("YWJj") == b"abc"
    with pytest.raises(FileRefused):
        decode_content("YWJjZA==")


@given(st.binary())
def test_base64_and_integers_read_back(data: bytes) -> None:
    assert decode_content(base64.encodebytes(data).decode()) == data
    assert decode_content(list(data)) == data


@pytest.mark.parametrize(
    ("given_type", "name", "expected"),
    [
        (None, "a.pdf", "application/pdf"),
        (None, "a.XLSX", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (None, "a.tar.gz", "application/gzip"),
        (None, "a.tar.bz2", "application/octet-stream"),
        (None, "a", "application/octet-stream"),
        (None, "a.eml", "application/octet-stream"),
        ("text/csv; charset=utf-8", "a", "text/csv; charset=utf-8"),
        ('text/csv;charset="utf-8"; header=present', "a", 'text/csv;charset="utf-8"; header=present'),
        ("message/rfc822", "a", "application/octet-stream"),
        ("Multipart/Mixed; boundary=x", "a", "application/octet-stream"),
    ],
)
def test_the_type_is_the_senders_or_follows_the_name(
    given_type: str | None, name: str, expected: str
) -> None:
    assert check_content_type(given_type, filename=name) == expected


@pytest.mark.parametrize(
    "content_type",
    [
        *(
            "",
            "text",
            "text/",
            "text/a b",
            "text/plain;",
            "text/plain; a",
            'text/plain; a="x',
            "é/x",
            f"a/{'b' * 300}",
        ),
        *(f"text/plain{evil}" for evil in CONTROLS),
        *(f'text/plain; name="{evil}"' for evil in CONTROLS + HIDDEN_CONTROLS),
    ],
)
def test_a_malformed_type_is_refused(content_type: str) -> None:
    with pytest.raises(FileRefused):
        check_content_type(content_type, filename="a")


@pytest.mark.parametrize(
    "content_id", ["", "<a>", "a b", "é", "a" * 129, *(f"a{evil}" for evil in CONTROLS + HIDDEN_CONTROLS)]
)
def test_a_content_id_is_short_and_plain(content_id: str) -> None:
    with pytest.raises(FileRefused):
        check_content_id(content_id)


PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)


@pytest.mark.parametrize(
    ("given_type", "name", "beginning", "expected"),
    [
        ("text/csv", "a.png", PNG, "text/csv"),
        (None, "a.pdf", PNG, "application/pdf"),
        (None, "scan", PNG, "image/png"),
        (None, "scan", b"%PDF-1.7\n", "application/pdf"),
        (None, "scan", b"hello", "application/octet-stream"),
        (None, "scan", b"", "application/octet-stream"),
        (None, "a.eml", PNG, "image/png"),
        ("application/octet-stream", "scan", PNG, "application/octet-stream"),
    ],
)
def test_bytes_say_the_type_where_neither_sender_nor_name_does(given_type, name, beginning, expected) -> None:
    assert type_of(given_type, filename=name, beginning=beginning) == expected
