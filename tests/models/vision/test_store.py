"""The store: models whole or not at all, and a shelf that survives whatever writes it."""

import os

import pytest

from models.vision import default_detector_directory
from models.vision.errors import DigestMismatch, ModelMissing
from models.vision.store import SHELF_FILE, ModelStore, StoreError, fingerprint
from models.vision.swap import Shelf
from tests.actors.models import change_manifest, make_model, weights_of
from tests.small_disk import fill, small_disk


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


def test_what_was_written_is_read(store):
    assert store.read() == Shelf()
    shelf = Shelf(current="a", previous="", served="/models/a", refusal="b: it hangs")
    store.write(shelf)
    assert ModelStore(store.directory).read() == shelf
    assert [path.name for path in store.directory.iterdir()] == [SHELF_FILE]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"schema": 9}', b'{"current": 7}'])
def test_a_shelf_that_says_nothing_sensible_is_put_aside(store, content):
    store.directory.mkdir()
    (store.directory / SHELF_FILE).write_bytes(content)
    assert store.read(put_aside=False) == Shelf()
    assert (store.directory / SHELF_FILE).exists()
    assert store.read() == Shelf()
    assert store.damaged
    assert (store.directory / "shelf.damaged").read_bytes() == content
    assert not (store.directory / SHELF_FILE).exists()


def test_a_store_that_cannot_be_written_says_what_to_do(tmp_path):
    (tmp_path / "models").write_text("no directory")
    with pytest.raises(StoreError, match="make it writable"):
        ModelStore(tmp_path / "models").write(Shelf())
    with pytest.raises(StoreError):
        ModelStore(tmp_path / "models").read()


def test_a_model_is_copied_under_its_name(store, tmp_path):
    source = make_model(tmp_path / "detector-v1")
    assert store.install(source) == "detector-v1"
    assert store.names() == ("detector-v1",)
    there = store.directory_of("detector-v1")
    assert fingerprint(there) == fingerprint(source)
    assert store.name_of(there) == "detector-v1"
    assert store.name_of(source) == ""
    assert store.install(source) == "detector-v1"


def test_another_model_of_the_same_name_gets_a_part_of_its_fingerprint(store, tmp_path):
    store.install(make_model(tmp_path / "one" / "model"))
    other = make_model(tmp_path / "two" / "model", golden=False)
    assert store.install(other) == f"model-{fingerprint(other)[:8]}"
    assert len(store.names()) == 2


def test_a_directory_with_an_odd_name_gets_another(store, tmp_path):
    odd = make_model(tmp_path / ".hidden model")
    assert store.install(odd) == f"model-{fingerprint(odd)[:8]}"


def test_words_about_a_model_come_along_and_change_nothing(store, tmp_path):
    source = make_model(tmp_path / "model", card="card.md")
    (source / "card.md").write_text("# a model")
    before = fingerprint(source)
    (source / "card.md").write_text("# the model")
    assert fingerprint(source) == before
    store.install(source)
    assert (store.directory / "model" / "card.md").read_text() == "# the model"


def test_nothing_that_does_not_verify_gets_in(store, tmp_path):
    source = make_model(tmp_path / "model")
    weights_of(source).write_bytes(b"short")
    with pytest.raises(DigestMismatch):
        store.install(source)
    with pytest.raises(ModelMissing):
        store.install(tmp_path / "none")
    assert store.names() == ()


def test_an_installation_that_was_cut_off_leaves_nothing_for_long(store, tmp_path):
    gone = store.directory / ".new-model-999999999"
    mine = store.directory / f".new-other-{os.getpid()}"
    for path in (gone, mine):
        path.mkdir(parents=True)
        (path / "manifest.json").write_text("{")
    assert store.names() == ()
    store.install(make_model(tmp_path / "model"))
    assert not gone.exists()
    assert mine.exists()


def test_a_fingerprint_is_that_of_the_files_and_not_of_the_words_about_them(tmp_path):
    model, twin = make_model(tmp_path / "a" / "model"), make_model(tmp_path / "b" / "model")
    assert fingerprint(model) == fingerprint(twin)
    content = bytearray(weights_of(twin).read_bytes())
    content[1000] ^= 1
    weights_of(twin).write_bytes(content)
    assert fingerprint(model) != fingerprint(twin)
    change_manifest(model, seen_from=0.2)
    assert fingerprint(model) not in ("", fingerprint(twin))
    (model / "manifest.json").write_text("{")
    assert fingerprint(model)
    assert fingerprint(tmp_path / "none") == ""


def test_a_fingerprint_waits_for_nobody(tmp_path):
    model = make_model(tmp_path / "model")
    weights = weights_of(model)
    with weights.open("ab") as file:
        file.truncate(3 << 30)  # a hole, not bytes
    assert fingerprint(model)
    weights.unlink()
    os.mkfifo(weights)
    assert fingerprint(model)
    (model / "manifest.json").unlink()
    os.mkfifo(model / "manifest.json")
    assert fingerprint(model) == ""


def test_the_model_that_ships_has_a_fingerprint():
    assert len(fingerprint(default_detector_directory())) == 64


def test_a_full_disk_takes_nothing_and_breaks_nothing(tmp_path):
    with small_disk(tmp_path / "disk", "2m") as disk:
        store = ModelStore(disk / "models")
        store.write(Shelf(current="a"))
        with pytest.raises(StoreError, match="make room"):
            store.install(make_model(tmp_path / "model"))
        assert store.names() == ()
        fill(disk)
        with pytest.raises(StoreError, match="make room"):
            store.write(Shelf(current="b", refusal="x" * 10_000))
        assert store.read() == Shelf(current="a")
