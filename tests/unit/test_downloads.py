"""The name of a downloaded file, as clients read it (RFC 6266, RFC 8187)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from mailgrid.core.files import FileRefused, check_filename
from mailgrid.downloads import disposition


@pytest.mark.parametrize(
    ("filename", "written"),
    [
        ("a.txt", 'attachment; filename="a.txt"'),
        ("a b;c.txt", 'attachment; filename="a b;c.txt"'),
        ('a"b.txt', "attachment; filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt"),
        ("50%.txt", "attachment; filename=\"50_.txt\"; filename*=UTF-8''50%25.txt"),
        ("März.pdf", "attachment; filename=\"M_rz.pdf\"; filename*=UTF-8''M%C3%A4rz.pdf"),
    ],
)
def test_a_name_is_written_for_every_client(filename, written):
    assert disposition(filename) == written


@given(st.text(min_size=1, max_size=60))
def test_the_exact_name_reads_back_and_nothing_else_can_be_said(filename):
    try:
        check_filename(filename)
    except FileRefused:
        return
    written = disposition(filename)
    assert written.isascii()
    assert written.isprintable()
    assert parse_options_header(written) == ("attachment", {"filename": filename})
