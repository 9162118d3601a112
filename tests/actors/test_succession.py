"""Which model is chosen at a start, when memory is short and processes die over it."""

import pytest

from actors.inference import serving, succession
from actors.inference.serving import Way, open_serving
from actors.inference.succession import Succession
from config.settings import InferenceSettings
from models.vision.errors import OutOfMemory
from models.vision.ladder import Rung
from models.vision.store import ModelStore
from models.vision.swap import START_TRIES_MAX, Shelf
from models.vision.trial import Stumbled
from supervisors import Waiting
from supervisors.testing import VirtualClock, eventually
from tests.actors.models import SHIPPED, make_model

CLASSES = ("mineral", "not_empty", "soda", "milk", "yogurt", "dishwasher", "non_mineral")
LOW = dict.fromkeys(CLASSES, 0.001)
"""Thresholds that even a picture of nothing reaches."""


class Said:
    """What a succession says of itself."""

    def __init__(self):
        self.events, self.clock = [], VirtualClock()

    def emit(self, event, **fields):
        self.events.append((event, fields))

    def log(self, event, **fields):
        self.events.append((event, fields))


@pytest.fixture
def store(tmp_path):
    """A store with two models, `new` serving and `old` behind it."""
    store = ModelStore(tmp_path / "models")
    for name in ("old", "new"):
        store.install(make_model(tmp_path / name))
    store.write(Shelf(current="new", previous="old"))
    return store


def start(store, way=None, **limits):
    """A process starts: the model that it serves, and what it says."""
    said = Said()
    chooser = Succession(said, str(store.directory), InferenceSettings(**limits), way or Way())
    chosen = chooser.choose()
    chosen.detector.close()
    return chosen, chooser, said


def refuse_memory(monkeypatch, *names):
    """Too little memory for models of these names, on every rung."""

    def open_or_not(directory, rung, way):
        if directory.name in names:
            raise OutOfMemory("there is too little")
        return real(directory, rung, way)

    real = serving._open
    monkeypatch.setattr(serving, "_open", open_or_not)


def test_the_current_one_is_chosen_and_remembered(store):
    chosen, chooser, _ = start(store)
    assert chosen.directory == store.directory / "new"
    assert chooser.stand_in == ""
    assert store.read().served == str(store.directory / "new")
    assert store.read().starting == {}


def test_with_too_little_memory_smaller_ways_are_tried_each_named(store, monkeypatch):
    steps, tried = [], []

    def open_lean(directory, rung, way):
        tried.append(rung)
        if not rung.lean:
            raise MemoryError
        return real(directory, rung, way)

    real = serving._open
    monkeypatch.setattr(serving, "_open", open_lean)
    chosen, _, _ = start(store, Way(threads=2, tell=steps.append))
    assert tried == [Rung("auto", 2, lean=False), Rung("onnxruntime", 1, lean=True)]
    assert chosen.rung == tried[-1]
    assert steps == ["too little memory with auto, 2 threads"]


def test_a_model_that_does_not_fit_is_tried_in_a_fresh_process_then_given_up(store, monkeypatch):
    refuse_memory(monkeypatch, "new")
    with pytest.raises(MemoryError):
        start(store)
    chosen, chooser, _ = start(store)
    assert chosen.directory.name == "old"
    assert "more memory than there is" in chooser.stand_in
    assert store.read().denied == {}


def test_without_any_that_fits_the_machine_waits(store, monkeypatch):
    refuse_memory(monkeypatch, "new", "old", SHIPPED.name)
    with pytest.raises(MemoryError):
        start(store)
    for _ in range(5):  # it is asked again and again, and costs no restart
        with pytest.raises(Waiting, match="memory"):
            start(store)


def test_what_processes_have_died_over_is_tried_otherwise_then_left_out(store, monkeypatch):
    rungs = []

    def die(directory, rung, way):
        rungs.append((directory.name, rung.backend))
        if directory.name == "new":
            raise KeyboardInterrupt  # as near to a death as a test may come
        return real(directory, rung, way)

    real = serving._open
    monkeypatch.setattr(serving, "_open", die)
    for _ in range(START_TRIES_MAX):
        with pytest.raises(KeyboardInterrupt):
            start(store)
    assert rungs == [("new", "auto"), ("new", "auto"), ("new", "opencv")]
    chosen, chooser, _ = start(store)
    assert chosen.directory.name == "old"
    assert "died" in chooser.stand_in


def test_the_only_model_there_is_is_tried_for_ever(tmp_path, monkeypatch):
    store = ModelStore(tmp_path / "models")

    def die(directory, rung, way):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(serving, "_open", die)
        for _ in range(START_TRIES_MAX + 2):
            with pytest.raises(KeyboardInterrupt):
                start(store)
    chosen, _, _ = start(store)
    assert chosen.directory.name == SHIPPED.name


def test_a_denied_model_stays_out(store):
    mark = succession.fingerprint(store.directory / "new")
    shelf = Shelf(current="new", previous="old")
    from models.vision import swap

    store.write(swap.denied(shelf, "new", mark, "it hangs", 1.0))
    chosen, chooser, _ = start(store)
    assert chosen.directory.name == "old"
    assert "it hangs" in chooser.stand_in


def test_a_disk_that_takes_no_mark_stops_nothing(store, monkeypatch):
    def full(self, shelf, *, durable=True):
        raise succession.StoreError("no space left")

    monkeypatch.setattr(ModelStore, "write", full)
    chosen, _, said = start(store)
    assert chosen.directory.name == "new"
    assert {event for event, _ in said.events} == {"model_store"}


def test_an_unproven_model_serves_only_where_it_is_named(tmp_path):
    bare = make_model(tmp_path / "bare", golden=False)
    with pytest.raises(succession.ModelError, match="golden"):
        open_serving(bare, Way())
    serves = open_serving(bare, Way(), needs_golden=False)
    assert not serves.is_proven
    assert serves.show_canary(0) == serves.show_canary(1) == ""
    serves.detector.close()


def test_a_canary_of_an_unproven_model_is_its_own_first_answer(tmp_path):
    bare = make_model(tmp_path / "bare", golden=False, seen_from=0.0, thresholds=LOW)
    serves = open_serving(bare, Way(), needs_golden=False)
    assert serves.canaries[0].expected.boxes
    assert serves.show_canary(0) == ""
    assert serves.spoiled("wrong").show_canary(0)
    serves.detector.close()


def test_where_no_engine_can_be_built_the_portable_model_goes_on_and_nobody_is_denied(store):
    chosen, chooser, said = start(store)
    chooser.build_engine(chosen.directory)
    assert chooser.rehearsing
    answer = eventually(chooser.poll)
    assert isinstance(answer, Stumbled)
    assert "tensorrt" in chooser.no_engine
    assert chooser.newcomer is None
    assert store.read().denied == {}
    assert store.read().refusal == ""
    assert "no_engine" in [event for event, _ in said.events]


def test_without_room_for_a_trial_there_is_none_and_it_says_why(store, monkeypatch):
    def full(*_arguments, **_more):
        raise OSError(28, "No space left on device")

    _, chooser, _ = start(store)
    monkeypatch.setattr("actors.inference.rehearsal.tempfile.TemporaryFile", full)
    with pytest.raises(succession.Refused, match="No space left"):
        chooser.rehearse(store.directory / "old")
    assert chooser.rehearsing == ""
