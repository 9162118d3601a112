"""The store's files in the states in which a machine may find them."""

import lmdb
import pytest

from actors.store import SCHEMA, AlreadyOpen, StoreUnusable, open_store, open_to_read


def make(directory, records=0):
    with open_store(directory, 1 << 20) as env:
        table = env.open_db(b"deposits")
        with env.begin(write=True, db=table) as txn:
            for number in range(records):
                txn.put(b"%d" % number, b"x" * 1000)


def test_it_is_made_and_opened_again(tmp_path):
    make(tmp_path / "store", 3)
    with open_store(tmp_path / "store", 1 << 20) as env:
        assert env.stat()["entries"] == 1  # the table
    with open_to_read(tmp_path / "store") as env:
        table = env.open_db(b"deposits", create=False)
        with env.begin(db=table) as txn:
            assert len(list(txn.cursor())) == 3
    assert len(SCHEMA) == 1


def test_its_lock_file_has_its_pages_before_it_is_mapped(tmp_path):
    make(tmp_path / "store")
    lock = (tmp_path / "store" / "lock.mdb").stat()
    assert lock.st_size >= 8192
    assert lock.st_blocks * 512 >= 8192


@pytest.mark.parametrize("pages", [2, 3, 10])
def test_a_shortened_file_is_told_and_not_touched(tmp_path, pages):
    """Reading behind its end through the map would end the process."""
    make(tmp_path / "store", 100)
    file = tmp_path / "store" / "data.mdb"
    with file.open("r+b") as cut:
        cut.truncate(pages * 4096)
    for opening in (
        lambda: open_store(tmp_path / "store", 1 << 20),
        lambda: open_to_read(tmp_path / "store"),
    ):
        with pytest.raises(StoreUnusable, match="is damaged: it has"):
            opening()
    assert file.stat().st_size == pages * 4096


def test_another_file_in_its_place(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "data.mdb").write_bytes(b"something else" * 1000)
    with pytest.raises(StoreUnusable, match="move the directory away"):
        open_store(tmp_path / "store", 1 << 20)


def test_a_file_where_its_directory_should_be(tmp_path):
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreUnusable, match="cannot open"):
        open_store(tmp_path / "store", 1 << 20)


def test_twice_in_one_process_is_another_matter(tmp_path):
    """Not to be waited for: only the end of the process helps."""
    with open_store(tmp_path / "store", 1 << 20), pytest.raises(AlreadyOpen):
        open_store(tmp_path / "store", 1 << 20)


def test_to_read_it_must_be_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_to_read(tmp_path / "store")


def test_whoever_reads_cannot_write(tmp_path):
    make(tmp_path / "store")
    with open_to_read(tmp_path / "store") as env, pytest.raises(lmdb.ReadonlyError):
        env.begin(write=True)
