"""The platform's reader of claims, against the machine's writer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import claims as machine_claims
from server import claims

KEY = bytes(range(32))
PUBLIC = machine_claims.public_key(KEY).hex()
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._", min_size=1, max_size=64)
counts = st.integers(0, 2**16 - 1)
times = st.integers(0, 2**32 - 1)
digits = st.binary(min_size=8, max_size=8).map(bytes.hex)
heads = st.one_of(st.just(""), st.binary(min_size=32, max_size=32).map(bytes.hex))


@st.composite
def machine_s_claims(draw) -> machine_claims.Claim:
    hardware_id = draw(names)
    return machine_claims.Claim(
        hardware_id=hardware_id,
        session=hardware_id + draw(names),
        credited=draw(counts),
        in_review=draw(counts),
        issued_at=draw(times),
        expires_at=draw(times),
        nonce=draw(digits),
        clock_quality=draw(st.sampled_from(["good", "bad"])),
        chain_head=draw(heads),
    )


def code_of(text: str, now_s: float = 0.0) -> str:
    """The machine's own word for what is wrong with a text; empty: nothing."""
    try:
        machine_claims.verify(text, bytes.fromhex(PUBLIC), now_s)
    except machine_claims.ClaimError as error:
        return error.code
    return ""


def our_code_of(text: str, now_s: float = 0.0) -> str:
    try:
        claims.check(claims.read(text), [PUBLIC], now_s)
    except claims.BadClaim as error:
        return error.code
    return ""


@given(machine_s_claims())
def test_every_claim_of_a_machine_is_read_as_it_was_written(claim: machine_claims.Claim):
    read = claims.read(machine_claims.sign(claim, KEY))
    assert (read.hardware_id, read.session) == (claim.hardware_id, claim.session)
    assert (read.credited, read.in_review) == (claim.credited, claim.in_review)
    assert (read.expires_at, read.is_clock_good) == (
        claim.expires_at,
        claim.clock_quality == "good",
    )
    claims.check(read, [machine_claims.public_key(bytes(32)).hex(), PUBLIC], -1.0)


@given(machine_s_claims(), times)
def test_both_agree_when_a_claim_is_too_old(claim: machine_claims.Claim, now_s: int):
    token = machine_claims.sign(claim, KEY)
    assert our_code_of(token, now_s) == code_of(token, now_s)


@given(machine_s_claims(), st.data())
def test_both_say_the_same_of_a_scrambled_claim(claim: machine_claims.Claim, data):
    token = list(machine_claims.sign(claim, KEY))
    at = data.draw(st.integers(0, len(token) - 1))
    token[at] = data.draw(st.sampled_from(ALPHABET))
    scrambled = "".join(token)
    assert our_code_of(scrambled) == code_of(scrambled)


@given(st.one_of(st.text(max_size=300), st.text(ALPHABET, max_size=300)))
def test_both_say_the_same_of_any_text(text: str):
    assert our_code_of(text) == code_of(text)


@given(machine_s_claims(), st.binary(min_size=1, max_size=40))
def test_nothing_may_stand_behind_a_claim(claim: machine_claims.Claim, more: bytes):
    from cryptography.hazmat.primitives.asymmetric import ed25519

    read = claims.read(machine_claims.sign(claim, KEY))
    body = read.signed.removeprefix(claims.PURPOSE) + more
    signature = ed25519.Ed25519PrivateKey.from_private_bytes(KEY).sign(claims.PURPOSE + body)
    longer = machine_claims.to_base32(body + signature)
    assert our_code_of(longer) == code_of(longer) == "malformed"


@pytest.mark.parametrize("change", [str.lower, lambda text: f" {text[:20]}-{text[20:]} "])
def test_what_people_type_is_forgiven(change):
    claim = machine_claims.Claim(
        hardware_id="rvm-1",
        session="rvm-1-s-1-1",
        credited=3,
        issued_at=1,
        expires_at=2**31,
        nonce="0011223344556677",
    )
    assert our_code_of(change(machine_claims.sign(claim, KEY))) == ""


def test_a_text_without_end_is_refused_at_once():
    assert our_code_of("0" * 10_000_000) == "malformed"
