"""The data directory, inside this process."""

import fcntl
import os
import re
import threading
from pathlib import Path

import pytest

from rvm_edge.data_dir import DataDir, DataDirError, Held, connect, holder, locate


def test_where_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RVM_EDGE_DATA_DIR", "from-environment")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert locate("given") == tmp_path / "given"
    assert locate("~/given") == tmp_path / "given"
    assert locate(None) == tmp_path / "from-environment"
    monkeypatch.setenv("RVM_EDGE_DATA_DIR", "")
    assert locate(None) == tmp_path / ".local" / "state" / "rvm-edge"
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert locate(None) == Path("/var/state/rvm-edge")


def test_a_home_that_nobody_has():
    with pytest.raises(DataDirError, match="--data-dir or RVM_EDGE_DATA_DIR"):
        locate("~no-such-user-here/data")


def test_one_at_a_time(tmp_path):
    first = DataDir(tmp_path)
    assert holder(tmp_path) == str(os.getpid())
    with pytest.raises(Held) as caught:
        DataDir(tmp_path)
    assert caught.value.pid == str(os.getpid())
    first.release()
    assert holder(tmp_path) is None
    DataDir(tmp_path).release()


def test_asking_for_the_holder_does_not_keep_a_start_out(tmp_path):
    """Whoever asks takes the lock for a moment; `status --watch` asks all the time."""
    DataDir(tmp_path).release()
    asking = os.open(tmp_path / "daemon.lock", os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)
    release = threading.Timer(0.05, os.close, (asking,))
    release.start()
    try:
        DataDir(tmp_path).release()
    finally:
        release.join()


def test_a_name_is_made_once(tmp_path):
    names = set()
    for _ in range(2):
        data = DataDir(tmp_path)
        names.add(data.hardware_id)
        data.release()
    (name,) = names
    assert re.fullmatch(r"rvm-[0-9a-f]{8}", name)
    assert (tmp_path / "hardware_id").read_text() == name + "\n"


def test_a_configured_name_wins_and_is_not_kept(tmp_path):
    data = DataDir(tmp_path, "shop-7")
    assert data.hardware_id == "shop-7"
    data.release()
    assert not (tmp_path / "hardware_id").exists()


def test_an_empty_name_file_is_what_a_power_cut_leaves(tmp_path):
    (tmp_path / "hardware_id").write_bytes(b"")
    data = DataDir(tmp_path)
    assert data.hardware_id.startswith("rvm-")
    data.release()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"two words", b"../../etc", b"x" * 70])
def test_a_damaged_name_is_not_replaced_by_another(tmp_path, content):
    (tmp_path / "hardware_id").write_bytes(content)
    with pytest.raises(DataDirError, match="remove the file to make it another machine"):
        DataDir(tmp_path)
    assert (tmp_path / "hardware_id").read_bytes() == content
    assert holder(tmp_path) is None


def test_a_directory_in_the_place_of_a_file(tmp_path):
    (tmp_path / "daemon.lock").mkdir()
    with pytest.raises(DataDirError, match="choose another"):
        DataDir(tmp_path)


def test_nobody_listens(tmp_path):
    with pytest.raises(FileNotFoundError):
        connect(tmp_path, 1.0)
    with pytest.raises(FileNotFoundError):
        connect(tmp_path / "missing", 1.0)
    with pytest.raises(OSError, match="too long"):
        connect(tmp_path / ("x" * 300), 1.0)
