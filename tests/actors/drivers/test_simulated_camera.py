"""The camera above the simulated belt: its scene, and each way in which it can be broken."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.drivers.pictures import SourceMissing, empty_belt_picture, read_picture
from actors.drivers.simulated import SimulatedCamera
from actors.drivers.simulated.claims import Claims
from actors.drivers.simulated.scene import WORLD, Scene, SceneGone, draw_scene, read_scene
from models.world.catalogue import load_catalogue
from models.world.faults import FAULTS

ITEM = str(load_catalogue().find("007_0036")[0].picture)
SECOND_NS = 1_000_000_000
CAMERA_FAULTS = {name.removeprefix("camera_") for name in FAULTS if name.startswith("camera_")}


@pytest.fixture
def home(tmp_path):
    """A machine whose world lives."""
    claims = Claims(tmp_path)
    claims.take(WORLD)
    yield tmp_path
    claims.drop()


@pytest.fixture
def camera(home):
    made = SimulatedCamera(str(home))
    made.open()
    return made


def apart(frame, picture):
    return np.abs(frame.astype(int) - picture).mean()


@given(
    st.sampled_from(["", ITEM, "/a b/ü.jpg"]),
    st.dictionaries(st.sampled_from(sorted(CAMERA_FAULTS)), st.floats(0, 100)),
    st.lists(st.tuples(st.integers(0, 2**62), st.sampled_from(["", ITEM])), max_size=5),
)
def test_a_scene_is_read_as_it_was_drawn(tmp_path_factory, picture, faults, before):
    home = tmp_path_factory.mktemp("home")
    draw_scene(home, picture, faults, before)
    assert read_scene(home) == Scene(picture, faults, tuple(before))


def test_without_a_scene_nothing_lies_there(tmp_path):
    assert read_scene(tmp_path) == Scene()


def test_what_lay_there_at_a_moment():
    scene = Scene("now", before=((10, "first"), (20, "second")))
    assert [scene.picture_at(at) for at in (0, 9, 10, 19, 20, 99)] == [
        "first", "first", "second", "second", "now", "now",
    ]  # fmt: skip


def test_it_shows_the_item_with_a_sensors_noise(home, camera):
    empty = read_picture(empty_belt_picture())
    assert 0.5 < apart(camera.read(1).frame, empty) < 2
    draw_scene(home, ITEM)
    assert 0.5 < apart(camera.read(2).frame, read_picture(Path(ITEM))) < 2


def test_a_scene_that_nobody_answers_for_is_not_shown(tmp_path):
    camera = SimulatedCamera(str(tmp_path))
    camera.open()
    draw_scene(tmp_path, ITEM)
    with pytest.raises(SceneGone, match="it begins anew"):
        camera.read(1)


def test_late_it_shows_what_lay_there_and_says_when(home, camera):
    draw_scene(home, ITEM, {"delay": 0.5}, before=((2 * SECOND_NS, ""),))
    late = camera.read(2 * SECOND_NS + 400_000_000)
    assert late.t_mono_ns == SECOND_NS + 900_000_000
    assert apart(late.frame, read_picture(empty_belt_picture())) < 2
    assert apart(camera.read(3 * SECOND_NS).frame, read_picture(Path(ITEM))) < 2


def test_frozen_it_repeats_the_last_frame_with_new_times(home, camera):
    draw_scene(home, ITEM)
    last = camera.read(1).frame
    draw_scene(home, "", {"frozen": 1.0})
    shots = [camera.read(number) for number in (2, 3)]
    assert all((shot.frame == last).all() for shot in shots)
    assert [shot.t_mono_ns for shot in shots] == [2, 3]


def test_torn_the_lower_half_is_older(home, camera):
    draw_scene(home, ITEM)
    given_ = [camera.read(number).frame for number in range(2)]
    draw_scene(home, "", {"torn": 1.0})
    torn = camera.read(3).frame
    half = len(torn) // 2
    assert (torn[half:] == given_[0][half:]).all()
    assert apart(torn[:half], read_picture(empty_belt_picture())[:half]) < 2


@pytest.mark.parametrize(
    ("fault", "value", "level"),
    [("black", 0, (0, 5)), ("white", 0, (250, 255)), ("dirt", 90, (20, 70))],
)
def test_lamp_and_window_change_the_light(home, camera, fault, value, level):
    draw_scene(home, "", {fault: float(value)})
    assert level[0] <= camera.read(1).frame.mean() <= level[1]


def test_dirt_covers_what_it_says_and_always_the_same(home, camera):
    draw_scene(home, "", {"dirt": 10.0})
    empty = read_picture(empty_belt_picture()).astype(int)
    first, second = (
        np.abs(camera.read(n).frame.astype(int) - empty).max(axis=2) > 20 for n in (1, 2)
    )
    assert 0.05 < first.mean() < 0.15
    assert (first == second).mean() > 0.98


def test_stalled_it_gives_nothing(home, camera):
    draw_scene(home, "", {"stall": 1.0})
    assert camera.read(1) is None
    assert camera.is_there()


def test_unplugged_and_plugged_in_elsewhere(home, camera):
    assert camera.node == "video0"
    draw_scene(home, "", {"vanish": 1.0})
    assert not camera.is_there()
    with pytest.raises(SourceMissing, match="unplugged"):
        camera.read(1)
    draw_scene(home, "", {"renamed": 1.0})
    assert camera.is_there()
    with pytest.raises(SourceMissing, match="video0 is gone"):
        camera.read(2)
    camera.open()
    assert camera.node == "video1"
    assert camera.read(3) is not None


def test_the_same_seed_and_the_same_questions_give_the_same_frames(home):
    runs = []
    for _ in range(2):
        camera = SimulatedCamera(str(home))
        camera.open()
        draw_scene(home, ITEM, {"torn": 0.5})
        runs.append([camera.read(number).frame for number in range(20)])
    assert all((one == other).all() for one, other in zip(*runs, strict=True))
