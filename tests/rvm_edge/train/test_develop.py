"""Developed pictures: what was there stays, what was added is added, sides never mix."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from models.vision.rendering.dataset import Folder
from models.vision.rendering.items import CLASSES
from rvm_edge.train import cli
from tests.rvm_edge.train.sets import make_set

INDICES = (0, 1, 2, 5, 10)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    return make_set(tmp_path_factory.mktemp("rendered"), INDICES).path


def develop(source: Path, out: Path, *more: str) -> int:
    return cli.main(["develop", "--from", str(source), "--out", str(out), *more])


def table(side: Path) -> dict[str, dict[str, str]]:
    with (side / "items.csv").open(newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def contents(path: Path) -> dict[str, bytes]:
    return {
        file.relative_to(path).as_posix(): file.read_bytes()
        for file in path.rglob("*")
        if file.is_file()
    }


def test_every_picture_is_on_the_side_of_its_number_with_all_variants(rendered, tmp_path):
    assert develop(rendered, tmp_path, "--variants", "2") == 0
    assert set(table(tmp_path / "val")) == {f"{i:06d}_{v}.jpg" for i in (0, 10) for v in (0, 1)}
    assert set(table(tmp_path / "train")) == {f"{i:06d}_{v}.jpg" for i in (1, 2, 5) for v in (0, 1)}
    for side in ("train", "val"):
        for file in table(tmp_path / side):
            assert (tmp_path / side / "images" / file).stat().st_size > 1000
            assert (tmp_path / side / "labels" / file.replace("jpg", "txt")).exists()


def test_of_a_set_of_some_kinds_all_is_learned_from(tmp_path):
    source = make_set(tmp_path / "set", (0, 1, 10), kinds=("yogurt",))
    assert develop(source.path, tmp_path / "out") == 0
    assert len(table(tmp_path / "out" / "train")) == 3
    assert not table(tmp_path / "out" / "val")


def test_labels_and_table_say_what_the_truth_says(rendered, tmp_path):
    develop(rendered, tmp_path)
    folder = Folder(rendered, 1)
    for index in INDICES:
        side = tmp_path / ("val" if index % 10 == 0 else "train")
        truth = folder.get(index).truth
        row = table(side)[f"{index:06d}_0.jpg"]
        assert row["kinds"] == "+".join(truth.kinds)
        assert row["expected"] == truth.expected
        lines = (side / "labels" / f"{index:06d}_0.txt").read_text().splitlines()
        assert [int(line.split()[0]) for line in lines] == [
            CLASSES.index(box.class_name) for box in truth.boxes
        ]
        for line, box in zip(lines, truth.boxes, strict=True):
            _, x, y, w, h = map(float, line.split())
            edges = ((x - w / 2) * 448, (y - h / 2) * 336, (x + w / 2) * 448, (y + h / 2) * 336)
            assert edges == pytest.approx(box[1:], abs=0.01)


def test_the_same_set_develops_to_the_same_bytes(rendered, tmp_path):
    develop(rendered, tmp_path / "one")
    develop(rendered, tmp_path / "two")
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert one.keys() == two.keys()
    assert {name for name in one if one[name] != two[name]} == {"data.yaml"}  # it names its folder


def test_variants_are_different_photographs(rendered, tmp_path):
    develop(rendered, tmp_path, "--variants", "2")
    images = tmp_path / "train" / "images"
    assert (images / "000001_0.jpg").read_bytes() != (images / "000001_1.jpg").read_bytes()


def test_a_second_run_makes_only_what_is_missing(rendered, tmp_path, capsys):
    develop(rendered, tmp_path)
    whole = contents(tmp_path)
    (tmp_path / "train" / "labels" / "000002_0.txt").unlink()
    (tmp_path / "train" / "images" / "000002_0.jpg").write_bytes(b"half")
    capsys.readouterr()
    assert develop(rendered, tmp_path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["developed"] == 1
    assert contents(tmp_path) == whole


def test_a_folder_with_other_wishes_is_refused(rendered, tmp_path, capsys):
    develop(rendered, tmp_path)
    assert develop(rendered, tmp_path, "--harsh", "0.5") == 2
    assert "name another folder" in capsys.readouterr().err


def test_a_folder_that_is_no_set_is_refused_with_the_cure(tmp_path, capsys):
    assert develop(tmp_path, tmp_path / "out") == 2
    assert "begin one with bin/train render" in capsys.readouterr().err


def test_a_damaged_picture_is_named(tmp_path, capsys):
    folder = make_set(tmp_path / "set", (1,))
    (folder.path / "000001.hdr").write_bytes(b"")
    assert develop(folder.path, tmp_path / "out") == 2
    assert "000001" in capsys.readouterr().err


def test_ultralytics_finds_the_pictures_and_the_names(rendered, tmp_path):
    develop(rendered, tmp_path)
    text = (tmp_path / "data.yaml").read_text()
    assert f"path: {tmp_path}" in text
    for number, name in enumerate(CLASSES):
        assert f"  {number}: {name}\n" in text
