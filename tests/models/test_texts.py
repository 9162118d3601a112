"""Every code and every screen can be said in every language, with the same values."""

import string
from typing import get_args

import pytest

from models.reasons import Reason
from models.session import rule as session
from models.texts import LANGUAGES, REASON_TEXTS, SCREEN_TEXTS, reason_text, screen_text

PARAMETERS = {
    "serving": {"items"},
    "warn": {"seconds"},
    "ended": {"items"},
    "ended_in_review": {"items"},
    "claim": {"date"},
}
LETTERS_MAX = 80
"""A line and a half of 24 px on the screen of a machine."""


def names(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_said_in_whole_sentences(reason, language):
    text = reason_text(reason, language)
    assert text == text.strip()
    assert text.endswith(".")
    assert names(text) == set()
    assert len(text) <= LETTERS_MAX


def test_nothing_is_said_that_is_no_reason():
    assert set(REASON_TEXTS) == set(Reason)
    assert all(set(texts) == set(LANGUAGES) for texts in REASON_TEXTS.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_texts_sound_alike(language):
    texts = [reason_text(reason, language) for reason in Reason]
    texts += [said[language] for said in SCREEN_TEXTS.values()]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("key", SCREEN_TEXTS)
def test_a_screen_says_the_same_values_in_every_language(key):
    texts = SCREEN_TEXTS[key]
    assert set(texts) == set(LANGUAGES)
    for text in texts.values():
        assert names(text) == PARAMETERS.get(key, set())
        assert text == text.strip()
        assert len(text) <= LETTERS_MAX


def test_the_parameters_named_here_are_those_of_texts_that_exist():
    assert set(PARAMETERS) <= set(SCREEN_TEXTS)


def test_the_languages_differ_in_every_text():
    for texts in (*REASON_TEXTS.values(), *SCREEN_TEXTS.values()):
        assert texts["id"] != texts["en"]


def test_values_are_filled_in():
    assert screen_text("warn", "en", seconds=20).endswith("ends in 20 s.")
    with pytest.raises(KeyError):
        screen_text("warn", "id")


@pytest.mark.parametrize("code", [*get_args(session.Refusal), "store_failed"])
def test_every_refusal_of_a_start_can_be_said(code):
    assert f"refused_{code}" in SCREEN_TEXTS


@pytest.mark.parametrize("guests", ["automatic", "button", "off"])
def test_every_way_of_serving_guests_has_its_welcome(guests):
    assert f"welcome_{guests}" in SCREEN_TEXTS


@pytest.mark.parametrize("reason", ["finished", "idle", "expired", "revoked", "interrupted"])
def test_every_end_of_a_session_that_is_no_reason_of_the_machine_can_be_said(reason):
    assert f"reason_{reason}" in SCREEN_TEXTS
