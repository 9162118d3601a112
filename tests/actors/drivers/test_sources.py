"""Whatever gives frames: the same contract for files, the simulated camera and live ones."""

import shlex
import shutil
import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from actors.drivers import make
from actors.drivers.cameras import is_camera, open_camera
from actors.drivers.noise import SensorNoise
from actors.drivers.pictures import PicturesError, SourceMissing
from config.settings import CameraSettings
from models.world.catalogue import default_chamber_directory
from supervisors.clock import SystemClock
from supervisors.testing import eventually
from tests.actors.drivers.mjpeg import MjpegServer
from tests.actors.drivers.rtsp import RtspServer

WIDTH, HEIGHT = 64, 48
LIMITS = CameraSettings(width_px=WIDTH, height_px=HEIGHT, frames_per_s=60, latency_s=0.0)
NOW = SystemClock().monotonic_ns
PICTURE = default_chamber_directory() / "images" / "007_0001.jpg"
SENSOR = Path(__file__).with_name("sensor.py")


@pytest.fixture
def http():
    with closing(MjpegServer(WIDTH, HEIGHT, 60)) as made:
        yield made


@pytest.fixture
def rtsp():
    with closing(RtspServer(WIDTH, HEIGHT, 60)) as made:
        yield made


@pytest.fixture(params=["directory", "simulated", "pipe", "http", "rtsp"])
def source(request, tmp_path):
    """An open source of each sort."""
    cameras = "actors.drivers.cameras:open_camera"
    if request.param == "directory":
        shutil.copy(PICTURE, tmp_path)
        made = make("actors.drivers.files:open_files", str(tmp_path), LIMITS)
    elif request.param == "simulated":
        made = make("actors.drivers.simulated:SimulatedCamera", str(tmp_path), LIMITS)
    elif request.param == "pipe":
        command = shlex.join([sys.executable, str(SENSOR), str(WIDTH), str(HEIGHT), "60"])
        made = make(cameras, f"pipe:{command}", LIMITS)
    else:
        made = make(cameras, request.getfixturevalue(request.param).url, LIMITS)
    made.open()
    with closing(made):
        yield made


def frames(source, count):
    """So many shots, waited for as the camera does."""
    found = []

    def look():
        shot = source.read(NOW())
        if shot is not None:
            found.append(shot)
        return len(found) >= count

    eventually(look)
    return found


def test_frames_come_for_ever_each_of_its_own_time(source):
    began_ns = NOW()
    shots = frames(source, 12)
    times = [shot.t_mono_ns for shot in shots]
    assert times == sorted(set(times))
    assert began_ns <= times[0]
    assert times[-1] <= NOW()


def test_a_frame_is_the_receivers_own(source):
    first, second = (shot.frame for shot in frames(source, 2))
    assert first.dtype == np.uint8
    assert first.shape == second.shape
    assert first.shape[2] == 3
    before = second.copy()
    first[:] = 0
    third = frames(source, 1)[0].frame
    assert (second == before).all()
    assert third.any()


def test_no_two_frames_are_the_same(source):
    shots = frames(source, 6)
    for earlier, later in pairwise(shots):
        assert (earlier.frame != later.frame).any()


def test_it_says_what_it_is(source):
    assert source.name
    assert source.is_there()
    assert not source.is_stuck(NOW())
    assert isinstance(source.is_live, bool)


def test_it_can_be_closed_and_opened_again(source):
    frames(source, 2)
    source.close()
    source.close()

    def opened():
        try:
            source.open()
        except PicturesError:
            return False  # its driver takes a moment to let go
        return True

    eventually(opened)
    assert frames(source, 2)


def test_the_same_seed_gives_the_same_noise():
    picture = np.full((30, 40, 3), 100, np.uint8)
    one, other, third = SensorNoise(1), SensorNoise(1), SensorNoise(2)
    first = [one.add(picture) for _ in range(10)]
    assert all((a == other.add(picture)).all() for a in first)
    assert (first[0] != third.add(picture)).any()
    assert np.std(first[0].astype(float)) == pytest.approx(1.6, rel=0.1)
    assert (picture == 100).all()


def test_noise_for_many_sizes_takes_no_memory_without_end():
    noise = SensorNoise()
    for width in range(1, 40):
        noise.add(np.zeros((10, width, 3), np.uint8))
    assert len(noise._sheets) <= 4


@pytest.mark.parametrize(
    ("words", "means_camera"),
    [
        ("v4l2:usb-046d_C920-video-index0", True), ("/dev/video0", True), ("/dev/video12", True),
        ("rtsp://10.0.0.2/live", True), ("http://cam/mjpg", True), ("gst:videotestsrc", True),
        ("pipe:cat /dev/zero", True), ("/dev/videos", False), ("pictures", False),
        ("rtsp:", False), ("pipe:", False), ("ftp://x/y", False), ("/data/v4l2:1.avi", False),
    ],
)  # fmt: skip
def test_which_words_mean_a_camera(words, means_camera):
    assert is_camera(words) is means_camera


@pytest.mark.parametrize(
    ("words", "says"),
    [("pipe:'unbalanced", "check its quotes"), ("ftp://x", "no camera")],
)
def test_words_that_mean_nothing(words, says):
    with pytest.raises(SourceMissing, match=says):
        open_camera(words, LIMITS)
