"""The short name a tenant gets from its long one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.tenancy.slugs import MAX_LENGTH, PATTERN, RESERVED, slug_from


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Acme", "acme"),
        ("  Acme & Söhne GmbH ", "acme-sohne-gmbh"),
        ("x" * 50, "x" * 40),
        ("a" * 39 + " b", "a" * 39),
        ("A", "a-0a1b2c3d"),
        ("日本", "tenant-0a1b2c3d"),
        ("Mailgrid", "mailgrid-0a1b2c3d"),
    ],
)
def test_it_looks_like_the_name(name: str, slug: str) -> None:
    assert slug_from(name, spare="0a1b2c3d") == slug


@given(st.text(min_size=1, max_size=100))
def test_it_is_always_valid(name: str) -> None:
    slug = slug_from(name, spare="0a1b2c3d")
    assert PATTERN.fullmatch(slug)
    assert len(slug) <= MAX_LENGTH
    assert slug not in RESERVED
