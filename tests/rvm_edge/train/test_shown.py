"""Pictures with their truth, from wherever they lie."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from models.acceptance import Decision
from rvm_edge.train import cli
from rvm_edge.train.shown import PicturesInvalid, count, default_pictures, show
from tests.rvm_edge.train.sets import make_set


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("rendered"), (0, 1, 10)).path


def test_the_referees_pictures_can_all_be_shown():
    shown = list(show(default_pictures()))
    assert len(shown) == count(default_pictures()) == 80
    assert {one.expected for one in shown} == set(Decision)
    for one in shown:
        assert one.frame.shape == (336, 448, 3)
        assert bool(one.true) is (one.expected is not Decision.EMPTY)
        for label in one.true:
            assert -1 <= label.box[0] < label.box[2] <= 449
            assert -1 <= label.box[1] < label.box[3] <= 337


def test_of_a_rendered_set_only_the_unseen_side_is_shown(rendered):
    shown = list(show(rendered, variants=2))
    assert [one.name for one in shown] == [
        "s1-000000_0",
        "s1-000000_1",
        "s1-000010_0",
        "s1-000010_1",
    ]
    assert count(rendered, variants=2) == 4


def test_a_picture_developed_on_the_way_is_the_one_in_the_developed_folder(rendered, tmp_path):
    cli.main(["develop", "--from", str(rendered), "--out", str(tmp_path)])
    kept, made = list(show(tmp_path)), list(show(rendered))
    assert len(kept) == len(made) == 2
    for one, other in zip(kept, made, strict=True):
        assert (one.kinds, one.expected) == (other.kinds, other.expected)
        assert [a.class_name for a in one.true] == [b.class_name for b in other.true]
        # One of the two has been through a JPEG file.
        assert np.abs(one.frame.astype(int) - other.frame).mean() < 4


@pytest.mark.parametrize("gone", ["items.csv", "images", "labels"])
def test_what_is_missing_is_named(rendered, tmp_path, gone):
    cli.main(["develop", "--from", str(rendered), "--out", str(tmp_path)])
    path = tmp_path / "val" / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(PicturesInvalid, match=gone):
        list(show(tmp_path / "val"))


@pytest.mark.parametrize("row", ["0 0.5 0.5 0.1", "99 0.5 0.5 0.1 0.1", "mineral 0.5 0.5 0.1 0.1"])
def test_a_label_that_is_none_is_named(rendered, tmp_path, row):
    cli.main(["develop", "--from", str(rendered), "--out", str(tmp_path)])
    (tmp_path / "val" / "labels" / "000010_0.txt").write_text(row)
    with pytest.raises(PicturesInvalid, match="000010_0"):
        list(show(tmp_path))


def test_an_expectation_that_is_none_is_refused(rendered, tmp_path):
    cli.main(["develop", "--from", str(rendered), "--out", str(tmp_path)])
    (tmp_path / "val" / "items.csv").write_text("file,kinds,expected\n000010_0.jpg,,maybe\n")
    with pytest.raises(PicturesInvalid, match="maybe"):
        list(show(tmp_path))
