"""A set on the disk: complete pictures, nothing else, and never another's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.vision.rendering.dataset import RECIPE, Folder, SetInvalid
from models.vision.rendering.scene import HEIGHT_PX, WIDTH_PX, plan
from models.vision.rendering.truth import tell_truth

ROOT = Path(__file__).resolve().parents[4]


def light(index: int) -> np.ndarray:
    shape = (HEIGHT_PX, WIDTH_PX, 3)
    return np.random.default_rng(index).random(shape, np.float32) * 4


def filled(path: Path, indices=(0, 1)) -> Folder:
    folder = Folder(path, 1)
    for index in indices:
        folder.put(index, light(index), light(index) / 2, tell_truth(plan(1, index)))
    return folder


def test_a_picture_comes_back_as_it_was_put(tmp_path):
    folder = filled(tmp_path)
    truth = tell_truth(plan(1, 1))
    back = folder.get(1)
    assert (back.index, back.truth.kinds, back.truth.expected) == (1, *truth[:2])
    assert [box.class_name for box in back.truth.boxes] == [box.class_name for box in truth.boxes]
    for mine, yours in zip(back.truth.boxes, truth.boxes, strict=True):
        assert mine[1:] == pytest.approx(yours[1:], abs=0.006)
    assert np.array_equal(back.truth.item, truth.item)
    assert np.array_equal(back.truth.liquid, truth.liquid)


def test_light_keeps_its_range_and_its_colours(tmp_path):
    # Radiance's RGBE shares one exponent: a channel is right to 1/256 of the brightest one.
    picture = filled(tmp_path, (0,)).get(0)
    for given, back in ((light(0), picture.light), (light(0) / 2, picture.calm)):
        assert back.dtype == np.float32
        assert (np.abs(back - given) <= given.max(axis=2, keepdims=True) / 127).all()


def test_a_photograph_is_of_the_calm_light_with_some_grain_or_none(tmp_path):
    folder = Folder(tmp_path, 1)
    calm = np.full((HEIGHT_PX, WIDTH_PX, 3), 0.5, np.float32)
    noisy = calm * np.random.default_rng(0).exponential(1, calm.shape).astype(np.float32)
    folder.put(0, noisy, calm, tell_truth(plan(1, 0)))
    picture = folder.get(0)
    grains = [
        float(picture.photographed(np.random.default_rng(seed), harsh=0.0).std(axis=(0, 1)).mean())
        for seed in range(24)
    ]
    again = picture.photographed(np.random.default_rng(3), harsh=0.0)
    assert np.array_equal(again, picture.photographed(np.random.default_rng(3), harsh=0.0))
    assert min(grains) < 12  # vignette and sensor only
    assert max(grains) > 2 * min(grains)


def test_an_empty_belt_is_a_picture_too(tmp_path):
    empty = 136
    assert not plan(1, empty).items
    back = filled(tmp_path, (empty,)).get(empty)
    assert (back.truth.kinds, back.truth.expected, back.truth.boxes) == ((), "empty", ())


def test_what_is_true_can_be_read_without_the_picture(tmp_path):
    folder = filled(tmp_path, (0,))
    truth = tell_truth(plan(1, 0))
    (tmp_path / "000000.hdr").unlink()
    row = folder.about(0)
    assert (row.kinds, row.expected) == truth[:2]
    (tmp_path / "000000.json").write_text(
        '{"kinds": ["mineral"], "expected": "perhaps", "boxes": []}'
    )
    with pytest.raises(SetInvalid, match="damaged"):
        folder.about(0)


def test_what_is_there_is_told_in_order(tmp_path):
    folder = filled(tmp_path, (12, 3, 100))
    assert folder.complete() == [3, 12, 100]
    assert [rendered.index for rendered in folder] == [3, 12, 100]


def test_a_folder_is_opened_again_with_its_own_seed(tmp_path):
    filled(tmp_path)
    assert Folder(tmp_path, 1).complete() == [0, 1]


def test_a_folder_of_another_seed_is_refused(tmp_path):
    filled(tmp_path)
    with pytest.raises(SetInvalid, match="name another folder"):
        Folder(tmp_path, 2)


def test_a_folder_of_another_recipe_is_refused(tmp_path):
    (tmp_path / "set.json").write_text(json.dumps({"recipe": RECIPE + 1, "seed": 1}))
    with pytest.raises(SetInvalid, match="name another folder"):
        Folder(tmp_path, 1)


def test_a_folder_of_some_kinds_is_no_folder_of_all_or_of_others(tmp_path):
    assert Folder(tmp_path, 1, ("other", "can")).kinds == ("can", "other")
    assert Folder(tmp_path, 1, ("can", "other")).complete() == []
    for kinds in ((), ("can",)):
        with pytest.raises(SetInvalid, match="name another folder"):
            Folder(tmp_path, 1, kinds)


def test_a_kind_that_does_not_exist_is_refused_with_those_that_do(tmp_path):
    with pytest.raises(SetInvalid, match=r"no kind cup; there are mineral, .*yogurt"):
        Folder(tmp_path / "set", 1, ("can", "cup"))
    assert not (tmp_path / "set").exists()


def test_one_of_ten_is_measured_but_none_of_a_set_of_some_kinds(tmp_path):
    whole, some = Folder(tmp_path / "whole", 1), Folder(tmp_path / "some", 1, ("can",))
    assert [index for index in range(25) if whole.is_measured(index)] == [0, 10, 20]
    assert not any(map(some.is_measured, range(25)))


def test_a_folder_whose_description_is_no_description_is_refused(tmp_path):
    (tmp_path / "set.json").write_text("{")
    with pytest.raises(SetInvalid, match="name another folder"):
        Folder(tmp_path, 1)


@pytest.mark.parametrize("suffix", ["hdr", "calm.hdr", "png", "json"])
@pytest.mark.parametrize("damage", ["gone", "empty", "half", "other"])
def test_a_damaged_file_is_named_with_the_cure(tmp_path, suffix, damage):
    folder = filled(tmp_path, (0,))
    path = tmp_path / f"000000.{suffix}"
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(
            {"empty": b"", "half": content[: len(content) // 2], "other": b"[1]"}[damage]
        )
    with pytest.raises(SetInvalid, match=r"000000.*delete .* and render again"):
        folder.get(0)


def test_a_picture_of_another_size_is_refused(tmp_path):
    folder = filled(tmp_path, (0,))
    truth = tell_truth(plan(1, 0))
    folder.put(0, light(0)[::2, ::2], light(0), truth)
    with pytest.raises(SetInvalid, match="delete these files"):
        folder.get(0)


def test_a_picture_counts_when_all_of_it_is_there_and_not_before(tmp_path):
    folder = filled(tmp_path, (0,))
    (tmp_path / "000000.json").rename(tmp_path / "elsewhere")
    assert folder.complete() == []


def test_files_of_a_writer_that_was_killed_are_no_pictures(tmp_path):
    folder = filled(tmp_path, (0,))
    (tmp_path / ".000007.json.4242").write_text("{")
    assert folder.complete() == [0]


WRITER = """
import sys
from pathlib import Path
import numpy as np
from models.vision.rendering.dataset import Folder
from models.vision.rendering.scene import HEIGHT_PX, WIDTH_PX, plan
from models.vision.rendering.truth import tell_truth
folder, truth = Folder(Path(sys.argv[1]), 1), tell_truth(plan(1, 0))
light = np.ones((HEIGHT_PX, WIDTH_PX, 3), np.float32)
for index in range(100_000):
    folder.put(index, light, light, truth)
    print(index, flush=True)
"""


def test_kill_9_in_the_middle_of_writing_leaves_only_whole_pictures(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, env=environment
        ) as writer:
            told = int(writer.stdout.readline()) if writer.stdout else -1
            for _ in range(5):
                told = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
        folder = Folder(tmp_path, 1)
        assert told in folder.complete()
        for rendered in folder:
            assert rendered.light.shape == (HEIGHT_PX, WIDTH_PX, 3)
