"""`.env` files, line by line."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.dotenv import BadLine, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n# only a comment\n   \n", []),
        ("A=1", [(1, "A", "1")]),
        ("A=1\nB=2\n", [(1, "A", "1"), (2, "B", "2")]),
        ("A=1\r\nB=2\r\n", [(1, "A", "1"), (2, "B", "2")]),
        ("  export A = 1  \n", [(1, "A", "1")]),
        ("A=\n", [(1, "A", "")]),
        ("A= # nothing\n", [(1, "A", "")]),
        ("A=one two # three\n", [(1, "A", "one two")]),
        ("A=one#two\n", [(1, "A", "one#two")]),
        ("A=a=b\n", [(1, "A", "a=b")]),
        ("A=it's\n", [(1, "A", "it's")]),
        ("A='x # $Y \\n'\n", [(1, "A", "x # $Y \\n")]),
        ('A="x \\"y\\" \\n\\\\"\n', [(1, "A", 'x "y" \n\\')]),
        ("A='one\ntwo'\nB=2\n", [(1, "A", "one\ntwo"), (3, "B", "2")]),
        ("A='x' # comment\n", [(1, "A", "x")]),
        ("A=''\n", [(1, "A", "")]),
    ],
)
def test_lines(text, expected):
    assert [tuple(line) for line in parse(text)] == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("A", 1),
        ("A=1\nB", 2),
        ("=1", 1),
        ("1A=1", 1),
        ("A B=1", 1),
        ("A='x", 1),
        ('A=1\nB="x\n\n', 2),
        ("A='x'y\n", 1),
        ("A-B=1", 1),
        ("A='1\n2'\n\nB", 4),
    ],
)
def test_a_line_that_is_none_is_named(text, number):
    with pytest.raises(BadLine, match=f"^line {number}: "):
        list(parse(text))


@given(st.text())
def test_any_text_gives_lines_or_a_reason(text):
    with contextlib.suppress(BadLine):
        list(parse(text))


@given(st.text(st.characters(exclude_characters="'\r")))
def test_single_quotes_keep_everything(text):
    assert [line.value for line in parse(f"A='{text}'")] == [text]
