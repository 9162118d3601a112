"""The cache of engines: only what we wrote ourselves, whole, and not for ever more."""

import os

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vision.backends.engines import (
    ENGINES_MAX,
    Key,
    forget_engine,
    read_engine,
    write_engine,
)

KEY = Key("19e0fc" * 10 + "ab12", "10.3.0", "Orin", "fp16")


def test_what_was_written_is_read(tmp_path):
    write_engine(tmp_path / "new" / "cache", KEY, b"plan")
    assert read_engine(tmp_path / "new" / "cache", KEY) == b"plan"
    write_engine(tmp_path / "new" / "cache", KEY, b"a later plan")
    assert read_engine(tmp_path / "new" / "cache", KEY) == b"a later plan"


@pytest.mark.parametrize(
    "change",
    [
        {"onnx_sha256": "0" * 64},
        {"tensorrt": "10.3.1"},
        {"gpu": "Orin Nano"},
        {"precision": "fp32"},
    ],
)
def test_for_another_key_there_is_none(tmp_path, change):
    write_engine(tmp_path, KEY, b"plan")
    other = msgspec.structs.replace(KEY, **change)
    assert read_engine(tmp_path, other) is None
    for path in list(tmp_path.iterdir()):  # also if somebody renames the files
        path.rename(path.with_name(path.name.replace(KEY.stem, other.stem)))
    assert read_engine(tmp_path, other) is None


def test_no_cache_is_an_empty_one(tmp_path):
    assert read_engine(tmp_path / "nowhere", KEY) is None
    forget_engine(tmp_path / "nowhere", KEY)


def test_forgotten_is_gone(tmp_path):
    write_engine(tmp_path, KEY, b"plan")
    forget_engine(tmp_path, KEY)
    assert read_engine(tmp_path, KEY) is None
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_make_room(tmp_path):
    keys = [msgspec.structs.replace(KEY, tensorrt=f"10.{n}") for n in range(ENGINES_MAX + 3)]
    for second, key in enumerate(keys):
        write_engine(tmp_path, key, b"plan")
        os.utime(tmp_path / f"{key.stem}.engine", (second, second))
    kept = [key for key in keys if read_engine(tmp_path, key)]
    assert kept == keys[-ENGINES_MAX:]
    assert len(list(tmp_path.iterdir())) == 2 * ENGINES_MAX


def test_a_writer_that_was_killed_leaves_nothing_for_long(tmp_path):
    (tmp_path / ".killed.part").write_bytes(b"half a plan")
    write_engine(tmp_path, KEY, b"plan")
    assert not list(tmp_path.glob(".*"))


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_whatever_lies_there_is_never_taken_for_an_engine(tmp_path_factory, plan, label):
    cache = tmp_path_factory.mktemp("cache")
    (cache / f"{KEY.stem}.engine").write_bytes(plan)
    (cache / f"{KEY.stem}.engine.json").write_bytes(label)
    assert read_engine(cache, KEY) is None
