"""Reading what a platform sends: any bytes, and commands that are wrong one by one."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.remote.page import NoPage, Wrong, read_command, read_page
from models.remote.scan import depth, elements, members
from protocol.platform.remote import ARGS_BYTES_MAX, Command


def raw(**more: object) -> bytes:
    return json.dumps({"seq": 5, "id": "cmd-0001", "type": "ping", "ttl_s": 60, **more}).encode()


def page(*commands: bytes, last: object = 9) -> bytes:
    return b'{"commands": [%s], "last": %s}' % (b",".join(commands), json.dumps(last).encode())


def test_a_page_gives_its_commands_in_order_and_how_far_it_reaches():
    read = read_page(page(raw(), raw(seq=6, id="cmd-0002", args={"address": "/daemon"})))
    assert [command.id for command in read.commands] == ["cmd-0001", "cmd-0002"]
    assert (read.reach, read.last, read.lost) == (6, 9, 0)
    assert read.commands[1].args == {"address": "/daemon"}


def test_an_empty_page_is_one():
    assert read_page(b'{"commands":[],"last":0}').commands == ()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b"<html>", b"\xff\xfe", b'{"a":1}'])
def test_what_has_no_list_of_commands_is_no_page(body):
    with pytest.raises(NoPage):
        read_page(body)


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (raw(ttl_s=0), "malformed"),
        (raw(ttl_s="soon"), "malformed"),
        (raw(args=[1]), "malformed"),
        (raw(type=""), "malformed"),
        (raw(issuer=7), "malformed"),
        (raw(args={"a": "x" * ARGS_BYTES_MAX}), "too_large"),
        (raw(args={"a": 1}, more="x" * (2 * ARGS_BYTES_MAX)), "too_large"),
        (raw()[:-1] + b',"args":{"a":' + b"[" * 7000 + b"]" * 7000 + b"}}", "too_deep"),
        (raw(args={"a": [[[[[[[[1]]]]]]]]}), "too_deep"),
    ],
)
def test_one_that_is_wrong_is_named_with_its_reason_and_stops_no_other(bad, code):
    read = read_page(page(bad, raw(seq=6, id="cmd-0002")))
    wrong, good = read.commands
    assert isinstance(wrong, Wrong)
    assert (wrong.seq, wrong.id, wrong.code) == (5, "cmd-0001", code)
    assert isinstance(good, Command)
    assert read.reach == 6


@pytest.mark.parametrize(
    ("bad", "id_", "seq"),
    [
        (raw(id="short"), "", 5),
        (raw(id="../../etc/passwd"), "", 5),
        (raw(id=7), "", 5),
        (raw(seq=0), "cmd-0001", 0),
        (raw(seq=-1), "cmd-0001", 0),
        (raw(seq=1 << 70), "cmd-0001", 0),
        (raw(seq=True), "cmd-0001", 0),
    ],
)
def test_one_without_a_good_id_or_sequence_keeps_what_is_left(bad, id_, seq):
    (wrong,) = read_page(page(bad)).commands
    assert (wrong.id, wrong.seq) == (id_, seq)


def test_one_that_has_neither_is_only_counted():
    read = read_page(page(b"7", b'"x"', b"null", b"{}", raw()))
    assert (len(read.commands), read.lost) == (1, 4)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(body):
    try:
        read = read_page(body)
    except NoPage:
        return
    assert read.reach <= read.last


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


def nesting(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(nesting, value.values()), default=0)
    return 1 + max(map(nesting, value), default=0) if isinstance(value, list) else 0


@given(JSON, st.sampled_from([None, 1]))
def test_what_is_cut_is_what_stands_there(value, indent):
    text = json.dumps(value, indent=indent).encode()
    assert depth(text) == nesting(value)
    if isinstance(value, list):
        assert [json.loads(part) for part in elements(text)] == value
    else:
        assert elements(text) == []
    if isinstance(value, dict):
        names = {name: part for name, part in value.items() if name.isalnum() and name.isascii()}
        cut = {name: json.loads(part) for name, part in members(text).items()}
        assert {name: cut[name] for name in names} == names


@given(st.dictionaries(st.text(max_size=5), JSON), st.text(min_size=8, max_size=8))
def test_a_command_is_read_or_told_what_is_wrong_with_it(args, id_):
    read = read_command(raw(args=args, id=id_))
    assert read.seq == 5
    if isinstance(read, Command):
        assert read.args == args


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece", [b'\\"', b'"', b'{"a', b'["', b'{"id":"', b'{"x":"\\"', b"\\", b" ", b"[", b"{}", b","]
)
def test_a_body_of_whatever_takes_no_more_time_than_it_is_long(piece):
    """By the square of it this would take hours."""
    for begin in (b'{"commands":["', b'{"commands":['):
        with contextlib.suppress(NoPage):
            assert read_page(begin + piece * ((1 << 20) // len(piece))).commands == ()
