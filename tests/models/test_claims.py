"""Claim tokens: what is signed comes back, and nothing else passes."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from models.base32 import from_base32, to_base32
from models.claims import (
    Claim,
    ClaimError,
    Redeemed,
    clock_quality,
    peek,
    public_key,
    redeem,
    sign,
    verify,
)

KEY = bytes(range(32))
PUBLIC = public_key(KEY)
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CLAIM = Claim(
    hardware_id="rvm-0a1b2c3d",
    session="rvm-0a1b2c3d-s-7-42",
    credited=3,
    in_review=1,
    issued_at=1_800_000_000,
    expires_at=1_802_592_000,
    nonce="00112233445566ff",
    chain_head="ab" * 32,
)
TOKEN = sign(CLAIM, KEY)

TIMES = st.integers(0, 2**32 - 1)
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=64)


@st.composite
def claims(draw):
    hardware_id = draw(NAMES)
    return Claim(
        hardware_id=hardware_id,
        session=hardware_id + draw(NAMES),
        credited=draw(st.integers(0, 65_535)),
        in_review=draw(st.integers(0, 65_535)),
        issued_at=draw(TIMES),
        expires_at=draw(TIMES),
        clock_quality=draw(st.sampled_from(["good", "bad"])),
        nonce=draw(st.binary(min_size=8, max_size=8)).hex(),
        chain_head=draw(st.sampled_from(["", "00" * 32, "cd" * 32])),
    )


def refusal(text: str, public: bytes = PUBLIC, now_s: float | None = None) -> str:
    with pytest.raises(ClaimError) as caught:
        verify(text, public, now_s)
    return caught.value.code


@given(claims())
def test_every_claim_comes_back_as_it_was_signed(claim):
    token = sign(claim, KEY)
    assert verify(token, PUBLIC) == peek(token) == claim


def test_a_claim_is_always_written_the_same_way():
    assert sign(CLAIM, KEY) == TOKEN


def test_the_bytes_stand_where_the_document_says():
    data = from_base32(TOKEN)
    assert data[:2] == bytes([1, 0b11])
    assert int.from_bytes(data[2:6], "big") == CLAIM.issued_at
    assert int.from_bytes(data[6:10], "big") == CLAIM.expires_at
    assert data[10:14] == bytes([0, 3, 0, 1])
    assert data[14:22].hex() == CLAIM.nonce
    assert data[22:35] == b"\x0crvm-0a1b2c3d"
    assert data[35:43] == b"\x07-s-7-42"
    assert data[43:75].hex() == CLAIM.chain_head
    assert len(data) == 75 + 64


def test_a_token_fits_a_qr_code_that_a_telephone_reads_at_once():
    # Version 9 at error correction M holds 262 alphanumeric characters.
    assert len(TOKEN) <= 262


def test_it_may_be_typed_in_small_letters_in_groups_and_with_look_alikes():
    typed = TOKEN.lower().replace("1", "l").replace("0", "o")
    groups = "-".join(typed[at : at + 5] for at in range(0, len(typed), 5))
    assert verify(f"  {groups}\n", PUBLIC) == CLAIM


@settings(max_examples=300)
@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(LETTERS))
def test_any_other_character_anywhere_is_refused(place, letter):
    changed = TOKEN[:place] + letter + TOKEN[place + 1 :]
    if changed == TOKEN:
        assert verify(changed, PUBLIC) == CLAIM
    else:
        assert refusal(changed) in {"malformed", "unknown_version", "bad_signature"}


@pytest.mark.parametrize("place", range(len(TOKEN)))
def test_each_single_character_counts(place):
    following = LETTERS[(LETTERS.index(TOKEN[place]) + 1) % 32]
    changed = TOKEN[:place] + following + TOKEN[place + 1 :]
    assert refusal(changed) in {"malformed", "unknown_version", "bad_signature"}


@given(st.integers(0, len(TOKEN) - 1), st.integers(1, 40))
def test_a_token_that_lacks_a_piece_is_refused(start, length):
    assert refusal(TOKEN[:start] + TOKEN[start + length :]) != "expired"


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text):
    assert refusal(text) in {"malformed", "unknown_version", "bad_signature"}


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data):
    assert refusal(to_base32(data)) in {"malformed", "unknown_version", "bad_signature"}


def test_a_later_version_is_named():
    assert refusal(to_base32(b"\x02" + bytes(100))) == "unknown_version"


def test_another_machines_key_does_not_fit():
    assert refusal(TOKEN, public_key(bytes(32))) == "bad_signature"


def test_an_amount_cannot_be_raised_with_the_old_signature():
    data = from_base32(TOKEN)
    raised = data[:10] + b"\x00\x63" + data[12:]
    assert peek(to_base32(raised)).credited == 99
    assert refusal(to_base32(raised)) == "bad_signature"


def test_a_signature_made_for_something_else_does_not_pass():
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    body = from_base32(TOKEN)[:-64]
    bare = Ed25519PrivateKey.from_private_bytes(KEY).sign(body)
    assert refusal(to_base32(body + bare)) == "bad_signature"


def test_a_claim_expires_and_still_says_what_it_was():
    assert verify(TOKEN, PUBLIC, CLAIM.expires_at - 1) == CLAIM
    with pytest.raises(ClaimError) as caught:
        verify(TOKEN, PUBLIC, CLAIM.expires_at)
    assert caught.value.code == "expired"
    assert caught.value.claim == CLAIM


def test_a_claim_by_a_clock_that_was_not_set_does_not_expire_by_it():
    token = sign(replace(CLAIM, clock_quality="bad", issued_at=5, expires_at=99), KEY)
    assert verify(token, PUBLIC, 1_900_000_000.0).credited == 3


def test_a_clock_before_the_program_was_written_has_not_been_set():
    assert [clock_quality(at_s) for at_s in (0.0, 1.7e9, 1.8e9)] == ["bad", "bad", "good"]


@pytest.mark.parametrize(
    "change",
    [
        {"session": "another-s-1-1"},
        {"credited": 65_536},
        {"credited": -1},
        {"in_review": 65_536},
        {"issued_at": 2**32},
        {"nonce": "00"},
        {"nonce": "zz" * 8},
        {"chain_head": "ab"},
        {"hardware_id": "ü", "session": "ü-1"},
        {"hardware_id": "m" * 256, "session": "m" * 256},
    ],
)
def test_what_a_token_cannot_say_is_not_signed(change):
    with pytest.raises(ValueError):
        sign(replace(CLAIM, **change), KEY)


def test_a_key_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError):
        sign(CLAIM, b"short")
    with pytest.raises(ValueError):
        verify(TOKEN, b"short")


@given(st.lists(st.integers(0, 5), max_size=30))
def test_however_often_claims_are_shown_each_session_is_paid_once(shown):
    redeemed, paid = Redeemed(), 0
    for number in shown:
        claim = replace(CLAIM, session=f"{CLAIM.hardware_id}-s-1-{number}", credited=number)
        redeemed, items = redeem(redeemed, verify(sign(claim, KEY), PUBLIC))
        paid += items
    assert paid == sum(set(shown))


def test_a_second_claim_of_the_same_session_pays_nothing_whatever_it_says():
    redeemed, first = redeem(Redeemed(), CLAIM)
    _, second = redeem(redeemed, replace(CLAIM, credited=50, nonce="ff" * 8))
    assert (first, second) == (3, 0)


def test_the_library_is_loaded_only_when_something_is_signed_or_checked():
    code = "import sys, models.claims; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
