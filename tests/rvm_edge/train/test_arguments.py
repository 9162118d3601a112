"""What is typed and what is meant."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from rvm_edge.train.arguments import folder, natural, rate, share, size, span


def test_words_become_values(tmp_path):
    assert natural("12") == 12
    assert share("0.25") == 0.25
    assert rate("5e-4") == 0.0005
    assert span("16-44") == (16, 44)
    assert span("8") == (8, 8)
    assert size("320x240") == (320, 240)
    assert folder(str(tmp_path)) == tmp_path


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (natural, "0"),
        (natural, "-3"),
        (natural, "many"),
        (share, "1.5"),
        (share, "nan"),
        (share, "half"),
        (rate, "0"),
        (rate, "-1"),
        (span, "44-16"),
        (span, "0-4"),
        (span, "4-"),
        (size, "320"),
        (size, "320x241"),
        (size, "16x16"),
        (folder, "/nowhere"),
    ],
)
def test_what_is_none_is_refused_by_its_own_words(read, text):
    with pytest.raises(ArgumentTypeError, match=text.replace("-", r"\-")):
        read(text)
