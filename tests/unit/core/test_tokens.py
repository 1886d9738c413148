"""Signed tokens: what was signed reads back, and nothing else does (fault tests A19 to A21)."""

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailgrid.core.tokens import MAC_BYTES, BadToken, Signer

SIGNER = Signer("a secret", purpose="click")
ALPHABET = string.ascii_letters + string.digits + "-_"


@given(st.binary(max_size=300))
def test_what_was_signed_reads_back(payload: bytes) -> None:
    token = SIGNER.sign(payload)
    assert SIGNER.read(token) == payload
    assert set(token) <= set(ALPHABET)


def test_a_token_is_sixteen_bytes_longer_than_what_it_says() -> None:
    assert len(SIGNER.sign(b"x" * 33)) == -(-(33 + MAC_BYTES) * 4 // 3)


@given(st.binary(max_size=60), st.data())
def test_a_changed_bit_is_found_wherever_it_is(payload: bytes, data: st.DataObject) -> None:
    signed = bytearray(base64.urlsafe_b64decode(SIGNER.sign(payload) + "=="))
    bit = data.draw(st.integers(0, len(signed) * 8 - 1))
    signed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BadToken):
        SIGNER.read(base64.urlsafe_b64encode(bytes(signed)).rstrip(b"=").decode())


@given(st.binary(min_size=1, max_size=60), st.data())
def test_another_letter_is_found_wherever_it_stands(payload: bytes, data: st.DataObject) -> None:
    """The last letter, too: some of its bits are nobody's, and a lenient reader takes four spellings for one."""
    token = SIGNER.sign(payload)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from(sorted(set(ALPHABET) - {token[place]})))
    with pytest.raises(BadToken):
        SIGNER.read(token[:place] + letter + token[place + 1 :])


@given(st.text(max_size=80))
def test_made_up_text_is_no_token(text: str) -> None:
    with pytest.raises(BadToken):
        SIGNER.read(text)


@pytest.mark.parametrize("change", [str.lower, lambda t: t + "=", lambda t: t + "A", lambda t: t[:-1]])
@pytest.mark.parametrize("padding", ["", " ", "\n", "\0", "%"])
def test_one_payload_has_one_spelling(change, padding) -> None:
    token = SIGNER.sign(b"recipient 1")
    for other in (change(token) + padding, padding + change(token)):
        with pytest.raises(BadToken):
            SIGNER.read(other)


def test_a_token_of_another_purpose_or_secret_opens_nothing() -> None:
    token = SIGNER.sign(b"recipient 1")
    for signer in (Signer("a secret", purpose="open"), Signer("another", purpose="click")):
        with pytest.raises(BadToken):
            signer.read(token)
    assert Signer("a secret", purpose="click").read(token) == b"recipient 1"
