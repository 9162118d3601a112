"""Every reason can be said in every language."""

import pytest

from models.acceptance import Reason
from models.texts import LANGUAGES, REASON_TEXTS, reason_text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", Reason)
def test_is_said(reason, language):
    text = reason_text(reason, language)
    assert text == text.strip()
    assert text.endswith(".")


def test_nothing_is_said_that_is_no_reason():
    assert set(REASON_TEXTS) == set(Reason)
    assert all(set(texts) == set(LANGUAGES) for texts in REASON_TEXTS.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_reasons_sound_alike(language):
    texts = [reason_text(reason, language) for reason in Reason]
    assert len(set(texts)) == len(texts)
