"""Live cameras: found, opened, read, lost, and never waited for."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.drivers.cameras import open_camera
from actors.drivers.cameras.arrivals import Arrivals
from actors.drivers.cameras.live import LiveSource
from actors.drivers.cameras.pipe import gst_command
from actors.drivers.cameras.v4l2 import find_node
from actors.drivers.pictures import SourceFailed, SourceMissing
from config.settings import CameraSettings
from supervisors.clock import SystemClock
from supervisors.testing import eventually
from tests.actors.drivers.mjpeg import MjpegServer
from tests.actors.drivers.rtsp import RtspServer

WIDTH, HEIGHT = 64, 48
LIMITS = CameraSettings(
    width_px=WIDTH, height_px=HEIGHT, frames_per_s=50, latency_s=0.0, open_timeout_s=1.0,
    stuck_timeout_s=1.0,
)  # fmt: skip
NOW = SystemClock().monotonic_ns
SENSOR = Path(__file__).with_name("sensor.py")
MS = 1_000_000


def sensor(how="alive", per_s=50):
    words = [sys.executable, str(SENSOR), str(WIDTH), str(HEIGHT), str(per_s), how]
    return f"pipe:{shlex.join(words)}"


def opened(words, limits=LIMITS):
    source = open_camera(words, limits)
    source.open()
    return closing(source)


def first(source):
    return eventually(lambda: source.read(NOW()))


def last_words(source):
    """What a source says when it gives no more frames."""

    def failed():
        try:
            source.read(NOW())
        except SourceFailed as error:
            return str(error)
        return ""

    return eventually(failed)


def children():
    """Processes that run the sensor program, by anybody."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(SENSOR).encode() in words and b"-I" not in words:
                found.append(int(entry.name))
    return found


# ----- arrivals -------------------------------------------------------------------------------


def judged(intervals_ms, nominal_s=0.033):
    arrivals, now_ns, found = Arrivals(nominal_s), 10**12, []
    arrivals.is_fresh(now_ns)
    for interval in intervals_ms:
        now_ns += round(interval * MS)
        found.append(arrivals.is_fresh(now_ns))
    return found


def test_frames_at_the_cameras_own_pace_are_fresh():
    assert judged([33] * 100) == [True] * 100
    assert judged([30, 36] * 50) == [True] * 100


def test_the_first_frame_may_be_an_old_one():
    assert Arrivals(0.033).is_fresh(10**12) is False


def test_a_queue_that_is_drained_is_not_fresh():
    """Stopped for a second: the frame that waited, three that queued, then the camera's own."""
    found = judged([33] * 20 + [1000, 1, 1, 1, 20, 33, 33])
    assert found[20:] == [False, False, False, False, True, True, True]


@pytest.mark.parametrize("interval_ms", [8, 16, 66, 200])
def test_a_camera_of_another_pace_is_soon_known(interval_ms):
    assert all(judged([interval_ms] * 60)[10:])


@given(st.lists(st.floats(0.1, 2000), max_size=100))
def test_what_comes_at_once_is_never_fresh(intervals):
    for interval, is_fresh in zip(intervals, judged(intervals), strict=True):
        assert not (is_fresh and interval < 0.05)
        if is_fresh:
            assert interval <= 2.5 * max(33, *intervals)


class Stamped:
    """A stream whose driver says that each frame is so old."""

    def __init__(self, age_ns):
        self._age_ns = age_ns

    def read(self):
        SystemClock().pause(0.02)
        return np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    def exposed_ns(self):
        return NOW() - self._age_ns

    def interrupt(self):
        pass

    def close(self):
        pass


@pytest.mark.parametrize(
    ("age_ms", "counts_ms"),
    [(30, 50), (400, 420), (60_000, 0), (-60_000, 0)],  # the last two are of another clock
)
def test_a_driver_that_says_when_a_frame_was_exposed_is_believed(age_ms, counts_ms):
    source = LiveSource("stamped", lambda: "", lambda _: Stamped(age_ms * MS), LIMITS)
    source.open()
    with closing(source):
        shot = first(source)
        age_ns = NOW() - shot.t_mono_ns
        assert counts_ms * MS <= age_ns < (counts_ms + 200) * MS


# ----- V4L2: found by name --------------------------------------------------------------------

C920 = "usb-046d_HD_Pro_Webcam_C920_A1B2C3-video-index{}"


@pytest.fixture
def root(tmp_path):
    """A machine with one camera, which has two nodes, and another."""
    (tmp_path / "dev/v4l/by-id").mkdir(parents=True)
    (tmp_path / "dev/v4l/by-path").mkdir()
    for number in range(4):
        (tmp_path / f"dev/video{number}").touch()
    plug(tmp_path, C920.format(0), 0)
    plug(tmp_path, C920.format(1), 1)
    plug(tmp_path, "usb-Sonix_Cam_77-video-index0", 2)
    plug(tmp_path, "platform-3610000.usb-usb-0:2.1:1.0-video-index0", 0, "by-path")
    return tmp_path


def plug(root, name, number, folder="by-id"):
    link = root / "dev/v4l" / folder / name
    link.unlink(missing_ok=True)
    link.symlink_to(f"../../video{number}")


@pytest.mark.parametrize(
    ("name", "node"),
    [
        (C920.format(0), "video0"),
        (C920.format(1), "video1"),
        ("A1B2C3", "video0"),
        ("Sonix", "video2"),
        ("usb-0:2.1:1.0", "video0"),
        ("/dev/video3", "video3"),
    ],
)
def test_a_camera_is_found_by_what_it_is(root, name, node):
    assert find_node(name, root) == str(root / "dev" / node)


def test_it_is_found_again_under_another_node(root):
    assert find_node("A1B2C3", root).endswith("video0")
    plug(root, C920.format(0), 3)
    assert find_node("A1B2C3", root).endswith("video3")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("usb", "may be any of .*C920.*Sonix.*; say more"),
        ("B4:K5", "no camera is called B4:K5; there is .*C920"),
        ("/dev/video9", "there is no /dev/video9; there is"),
    ],
)
def test_a_name_that_does_not_find_one(root, name, says):
    with pytest.raises(SourceMissing, match=says):
        find_node(name, root)


def test_a_link_to_a_node_that_is_gone_is_no_camera(root):
    (root / "dev/video2").unlink()
    with pytest.raises(SourceMissing, match="no camera is called Sonix"):
        find_node("Sonix", root)


def test_no_camera_at_all(tmp_path):
    with pytest.raises(SourceMissing, match="no camera is plugged in"):
        find_node("C920", tmp_path)


def test_what_is_no_camera_says_so_and_does_not_hang():
    from actors.drivers.cameras.v4l2 import open_v4l2

    with pytest.raises(SourceFailed, match="is it a camera"):
        open_v4l2("/dev/null", LIMITS)


def test_a_camera_that_is_not_there_is_not_opened():
    source = open_camera("v4l2:no-such-camera", LIMITS)
    assert not source.is_there()
    with pytest.raises(SourceMissing):
        source.open()
    source.close()


# ----- a command ------------------------------------------------------------------------------


def test_the_newest_frame_wins_and_is_given_once():
    with opened(sensor()) as source:
        began_ns = first(source).t_mono_ns
        eventually(lambda: NOW() - began_ns > 300 * MS)
        shot = source.read(NOW())
        assert NOW() - shot.t_mono_ns < 100 * MS
        assert source.read(NOW()) is None


def test_latency_is_taken_off():
    limits = CameraSettings(width_px=WIDTH, height_px=HEIGHT, frames_per_s=50, latency_s=0.3)
    with opened(sensor(), limits) as source:
        shot = first(source)
        assert NOW() - shot.t_mono_ns >= 300 * MS


def test_a_command_that_ends_says_with_what():
    with opened(sensor("ends")) as source:
        assert "has ended with status 3" in last_words(source)


def test_a_command_that_writes_no_more_is_noticed():
    with opened(sensor("freezes")) as source:
        assert "runs and writes no frames" in last_words(source)


def test_a_program_that_is_not_installed():
    source = open_camera("pipe:no-such-program --fast", LIMITS)
    with pytest.raises(SourceMissing, match="no program 'no-such-program'"):
        source.open()


@pytest.mark.parametrize("how", ["alive", "stubborn", "parent", "freezes"])
def test_whatever_it_does_it_is_gone_after_close(how):
    with opened(sensor(how)) as source:
        first(source)
        assert children()
    eventually(lambda: not children())


def test_closing_never_waits():
    with opened(sensor("stubborn")) as source:
        first(source)
        began_ns = NOW()
        source.close()
        assert NOW() - began_ns < 500 * MS
    eventually(lambda: not children())


def test_it_dies_with_the_process_that_opened_it():
    program = (
        "import sys\n"
        "from actors.drivers.cameras import open_camera\n"
        "from config.settings import CameraSettings\n"
        f"source = open_camera({sensor('stubborn')!r}, CameraSettings(width_px=64, height_px=48))\n"
        "source.open()\n"
        "while source.read(0) is None: pass\n"
        "print('up', flush=True)\n"
        "sys.stdin.read()\n"
    )
    opener = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with opener:
        assert opener.stdout.readline() == b"up\n"
        assert children()
        os.kill(opener.pid, signal.SIGKILL)
    eventually(lambda: not children())


def test_opening_and_closing_leaks_nothing():
    def open_fds():
        return len(os.listdir("/proc/self/fd"))

    with opened(sensor()) as source:
        first(source)
    eventually(lambda: not children())
    before = open_fds()
    for _ in range(5):
        with opened(sensor()) as source:
            first(source)
    eventually(lambda: not children() and open_fds() <= before)


# ----- GStreamer ------------------------------------------------------------------------------


def test_a_pipeline_ends_in_pictures_of_the_size_that_was_set():
    command = gst_command("nvarguscamerasrc sensor-id=0 ! nvvidconv", LIMITS)
    assert command[:2] == ["gst-launch-1.0", "-q"]
    assert command[2:5] == ["nvarguscamerasrc", "sensor-id=0", "!"]
    assert f"video/x-raw,format=BGR,width={WIDTH},height={HEIGHT}" in command
    assert command[-3:] == ["fdsink", "fd=1", "sync=false"]


def test_a_width_that_would_be_padded_is_refused():
    with pytest.raises(SourceMissing, match="multiple of 4"):
        open_camera("gst:videotestsrc", CameraSettings(width_px=65, height_px=48))


@pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="needs gstreamer1.0-tools")
def test_a_real_pipeline_gives_frames():
    limits = CameraSettings(width_px=WIDTH, height_px=HEIGHT, frames_per_s=30, open_timeout_s=10.0)
    pipeline = "gst:videotestsrc is-live=true pattern=snow ! video/x-raw,framerate=30/1"
    with opened(pipeline, limits) as source:
        shots = [first(source) for _ in range(5)]
        assert shots[0].frame.shape == (HEIGHT, WIDTH, 3)
        assert all((a.frame != b.frame).any() for a, b in pairwise(shots))


# ----- the network ----------------------------------------------------------------------------


@pytest.fixture
def server():
    with closing(MjpegServer(WIDTH, HEIGHT, 50)) as made:
        yield made


@pytest.fixture(params=[MjpegServer, RtspServer])
def any_server(request):
    with closing(request.param(WIDTH, HEIGHT, 50)) as made:
        yield made


def test_a_stream_that_freezes_with_its_socket_open_is_given_up(any_server):
    with opened(any_server.url) as source:
        first(source)
        any_server.how = "freezes"
        began_ns = NOW()
        assert "gives no frames any more" in last_words(source)
        assert NOW() - began_ns < 5000 * MS
        assert not source.is_stuck(NOW())


def test_a_stream_that_is_closed_can_be_opened_again(server):
    source = open_camera(server.url, LIMITS)
    with closing(source):
        source.open()
        first(source)
        server.how = "gone"
        last_words(source)
        server.how = "alive"
        source.close()

        def again():
            try:
                source.open()
            except SourceFailed:
                return False
            return True

        eventually(again)
        assert first(source).frame.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_server_that_takes_the_call_and_says_nothing_is_given_up(scheme):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with opened(f"{scheme}://127.0.0.1:{port}/live") as source:
            assert "cannot be opened" in last_words(source)


def test_nobody_listens():
    with opened("rtsp://127.0.0.1:9/live") as source:
        assert "cannot be opened" in last_words(source)


def test_what_is_shown_of_an_address_holds_no_secret():
    source = open_camera("rtsp://admin:secret@10.0.0.7:554/ch1?token=abc", LIMITS)
    assert source.name == "rtsp://10.0.0.7:554/ch1"
    source.open()
    assert source.node == "rtsp://10.0.0.7:554/ch1"
    source.close()
