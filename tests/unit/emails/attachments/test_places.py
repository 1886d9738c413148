"""What may stand in `path`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emails.attachments.places import Place, below, read_place
from mailgrid.core.files import FileRefused
from mailgrid.core.hosts import ForbiddenHost


@pytest.mark.parametrize(
    ("path", "place", "origin", "filename"),
    [
        (
            "https://files.example.com/a%20b.pdf?token=x",
            Place(url="https://files.example.com/a%20b.pdf?token=x"),
            "files.example.com",
            "a b.pdf",
        ),
        ("https://files.example.com", Place(url="https://files.example.com"), "files.example.com", ""),
        (
            "https://a.example.com/x/..%2F..%2Fb",
            Place(url="https://a.example.com/x/..%2F..%2Fb"),
            "a.example.com",
            "../../b",
        ),
        ("source:dms/a.pdf", Place(source="dms", key="a.pdf"), "source:dms", "a.pdf"),
        (
            "source:dms/2026/März/a b.pdf",
            Place(source="dms", key="2026/März/a b.pdf"),
            "source:dms",
            "a b.pdf",
        ),
    ],
)
def test_a_url_or_a_key_of_a_source_is_read(path, place, origin, filename):
    read = read_place(path, allowed=())
    assert read == place
    assert (read.origin, read.filename, str(read)) == (origin, filename, path)


@pytest.mark.parametrize(
    "path", ["http://127.0.0.1/", "file:///etc/passwd", "", "dms/a.pdf", "SOURCE:dms/a.pdf"]
)
def test_another_place_is_refused(path):
    with pytest.raises(ForbiddenHost):
        read_place(path, allowed=())


@pytest.mark.parametrize(
    "key",
    [
        *(
            "",
            "/",
            "/etc/passwd",
            "a/",
            "a//b",
            ".",
            "..",
            "../a",
            "a/../b",
            "a/./b",
            "a/..",
            "..\\a",
            "a\\b",
        ),
        *("a\x00b", "a\nb", "a\x7fb", "a\u2028b", "\ud800", "x" * 1025),
    ],
)
def test_a_key_is_a_path_downwards(key):
    with pytest.raises(FileRefused):
        read_place(f"source:dms/{key}", allowed=())


@pytest.mark.parametrize("source", ["", "Dms", "d ms", "../dms", "-dms", "x" * 64])
def test_a_source_has_a_plain_name(source):
    with pytest.raises(FileRefused):
        read_place(f"source:{source}/a.pdf", allowed=())


@given(st.text(min_size=1, max_size=50))
def test_a_key_never_leaves_what_its_source_begins_with(key):
    try:
        place = read_place(f"source:dms/{key}", allowed=())
    except FileRefused:
        return
    url = below("https://dms.example.com/files/", place.key)
    assert url.startswith("https://dms.example.com/files/")
    assert url.isascii()
    assert not {"?", "#", "\\", " "} & set(url)
    assert not {".", ".."} & set(url.split("/"))
