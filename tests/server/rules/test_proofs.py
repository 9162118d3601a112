"""Challenges that are not stored, and signatures that are what they say."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from server.rules.proofs import challenge, is_challenge, is_signed
from server.rules.subscriptions import read_form

KEY = b"a key of the platform"


@given(st.text(max_size=300))
def test_no_text_is_a_challenge_that_we_have_not_written(text: str):
    assert not is_challenge(KEY, "rvm-1", text, 0.0)


def test_a_challenge_is_for_one_machine_for_a_minute_and_of_one_platform():
    ours = challenge(KEY, "rvm-1", 1000.5, "nonce")
    assert is_challenge(KEY, "rvm-1", ours, 1059.9)
    assert not is_challenge(KEY, "rvm-1", ours, 1060.0)
    assert not is_challenge(KEY, "rvm-2", ours, 1001.0)
    assert not is_challenge(b"another", "rvm-1", ours, 1001.0)
    assert not is_challenge(KEY, "rvm-1", ours.replace("1060", "9999"), 1001.0)


@given(st.text("0123456789abcdef", min_size=64, max_size=64), st.binary(min_size=64, max_size=64))
def test_any_key_and_any_signature_are_answered(key: str, signature: bytes):
    assert not is_signed(key, signature.hex(), b"message")


def test_a_signature_is_over_these_very_bytes():
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw().hex()
    signature = key.sign(b"message").hex()
    assert is_signed(public, signature, b"message")
    assert not is_signed(public, signature, b"massage")


@given(st.binary(max_size=200))
def test_any_form_is_answered(body: bytes):
    wish = read_form(body)
    assert wish is None or wish.channel
