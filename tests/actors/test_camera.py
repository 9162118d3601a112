"""The camera in a process of its own: what it gives, what it refuses, and how it comes back."""

import mmap
import os
import shlex
import signal
import sys
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from actors.camera import FRAMES, Camera
from actors.drivers.simulated.claims import Claims
from actors.drivers.simulated.scene import WORLD, draw_scene
from config.settings import CameraSettings
from models.vision.ring import RingReader
from models.world.catalogue import load_catalogue
from protocol.service import CycleChanged
from protocol.vision import (
    CameraReport,
    Capture,
    Captured,
    CaptureFailed,
    CheckCamera,
    LearnChamber,
    TakePicture,
)
from supervisors import ChildSpec, RequestFailed, SupervisorSpec
from supervisors.testing import Stage, eventually
from tests.actors.drivers.strange import plug, unplug
from tests.actors.drivers.test_cameras import SENSOR, children
from tests.actors.ring import area, formatting
from tests.actors.runtime import listener, sim, tree

SLOTS = 8
AREA = area(SLOTS)
formatted = formatting(SLOTS)
Heard = listener(Captured, CaptureFailed)
OPEN_CAMERA = "actors.drivers.cameras:open_camera"
SIMULATED = "actors.drivers.simulated:SimulatedCamera"
ITEM = str(load_catalogue().find("007_0036")[0].picture)
OTHER = str(load_catalogue().find("007_0000")[0].picture)
EAGER = CameraSettings(idle_sleep_s=0.2, check_period_s=0.3, presence_period_s=0.1, reopen_s=0.1)


def camera(where, source=SIMULATED, limits=None, home="", host="process"):
    args = {"source": source, "where": str(where), "limits": limits, "home": str(home)}
    return ChildSpec("camera", Camera, args=args, host=host, shares=(FRAMES,))


class Eyes:
    """A camera, somebody who asks it, and the scene below it."""

    def __init__(self, sup, events, heard, home):
        self.sup, self.events, self.heard, self.home = sup, events, heard, home
        self.claims = Claims(home)
        self.claims.take(WORLD)  # a scene is believed while the world that draws it lives

    def show(self, picture=ITEM, **faults):
        Path(self.home).mkdir(exist_ok=True)
        draw_scene(self.home, picture, {name: float(value) for name, value in faults.items()})

    def tell(self, message):
        envelope = self.sup.system.envelope(0, "/camera", message)
        envelope.source = "/heard"
        self.sup.system.route(envelope)

    def capture(self, newer_than_ns=0):
        self.tell(Capture("m-1-1", newer_than_ns))
        eventually(lambda: self.heard)
        return self.heard.pop()

    def report(self):
        return self.sup.request("camera", CheckCamera(), timeout_s=8.0, reply=CameraReport)

    @property
    def facts(self):
        running = self.sup.rows["camera"].running
        return dict(running.vitals.facts) if running is not None else {}

    @property
    def pid(self):
        return self.sup.rows["camera"].running.pid

    @property
    def incarnation(self):
        ref = self.sup.ref("camera")
        return 0 if ref is None else ref.incarnation

    def restarted(self, incarnation):
        """Wait until this life has begun."""
        eventually(lambda: self.incarnation >= incarnation and "camera" in self.facts)
        self.heard.clear()

    def now_ns(self):
        return self.sup.system.clock.monotonic_ns()

    def pixels(self, frame):
        with mmap.mmap(self.sup.system.shares.fd(FRAMES), 0, access=mmap.ACCESS_READ) as ring:
            reader = RingReader(ring)
            try:
                return reader.read(frame)
            finally:
                reader.close()


@pytest.fixture
def open_eyes(tmp_path):
    """Make a camera; `Eyes` as long as the test lasts."""
    made = []

    def start(limits=None, home="", where=None, **more):
        heard = []
        spec = camera(where or sim(tmp_path), limits=limits, home=home, **more)
        running = tree(ChildSpec("heard", Heard, args={"heard": heard}), spec, shares=(AREA,))
        made.append(running)
        eyes = Eyes(*running.__enter__(), heard, sim(tmp_path))
        made[-1] = (running, eyes)
        return eyes

    yield start
    for running, eyes in reversed(made):
        running.__exit__(None, None, None)
        eyes.claims.drop()


@pytest.fixture
def eyes(open_eyes):
    return open_eyes()


# ----- what a decision gets -------------------------------------------------------------------


def test_a_burst_is_three_new_pictures_some_time_apart(eyes):
    eyes.show()
    asked_ns = eyes.now_ns()
    frames = eyes.capture(asked_ns).frames
    times = [frame.t_mono_ns for frame in frames]
    assert len(frames) == 3
    assert asked_ns < times[0]
    assert all(later - earlier >= 25_000_000 for earlier, later in pairwise(times))
    pictures = [eyes.pixels(frame) for frame in frames]
    assert (pictures[0] != pictures[1]).any()
    assert (pictures[1] != pictures[2]).any()


def test_the_next_burst_is_of_the_next_item(eyes):
    eyes.show(ITEM)
    first = eyes.capture(eyes.now_ns()).frames
    eyes.show(OTHER)
    second = eyes.capture(eyes.now_ns()).frames
    assert second[0].sequence > first[-1].sequence
    change = abs(eyes.pixels(first[-1]).astype(int) - eyes.pixels(second[0])).mean()
    assert change > 5


def test_frames_that_come_late_out_of_a_queue_are_not_taken_for_new(eyes):
    """The item is exchanged; the camera still shows the one before, with its own timestamps."""
    eyes.show(OTHER)
    eyes.capture()
    before_ns = eyes.now_ns()
    draw_scene(eyes.home, ITEM, {"delay": 0.4}, before=((before_ns, OTHER),))
    captured = eyes.capture(before_ns)
    assert isinstance(captured, Captured)
    assert all(frame.t_mono_ns > before_ns for frame in captured.frames)
    assert eyes.now_ns() - before_ns > 400_000_000
    eyes.show(ITEM)
    now = eyes.capture(eyes.now_ns()).frames[0]
    assert abs(eyes.pixels(captured.frames[0]).astype(int) - eyes.pixels(now)).mean() < 4


def test_a_queue_that_is_longer_than_the_patience_is_a_failure(eyes):
    eyes.show(delay=2.0)
    failed = eyes.capture(eyes.now_ns())
    assert isinstance(failed, CaptureFailed)
    assert "the newest frame was exposed" in failed.why


def test_several_who_ask_at_once_all_get_theirs(eyes):
    eyes.show()
    for _ in range(4):
        eyes.tell(Capture("m-1-1", eyes.now_ns()))
    eventually(lambda: len(eyes.heard) == 4)
    assert all(len(answer.frames) == 3 for answer in eyes.heard)
    eyes.heard.clear()


# ----- what it refuses ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "value", "state"),
    [
        ("black", 0, "black"),
        ("white", 0, "over_exposed"),
        ("frozen", 0, "frozen"),
        ("torn", 1, "torn"),
        ("stall", 0, "stalled"),
        ("vanish", 0, "stalled"),
    ],
)
def test_what_cannot_be_trusted_is_refused_told_and_over_when_it_is_over(eyes, fault, value, state):
    eyes.show()
    assert isinstance(eyes.capture(eyes.now_ns()), Captured)
    eyes.show(**{fault: value})
    failed = eyes.capture(eyes.now_ns())
    assert isinstance(failed, CaptureFailed)
    assert failed.why.startswith(f"{state}: ")
    eventually(lambda: str(eyes.facts.get("trouble")).startswith(f"{state}: "))
    assert [fields["state"] for fields in eyes.events.named("camera_trouble")] == [state]
    eyes.show()
    healed = eventually(lambda: eyes.capture(eyes.now_ns()))
    assert isinstance(healed, Captured)
    eyes.capture(eyes.now_ns())
    eventually(lambda: "trouble" not in eyes.facts)


def test_one_bad_frame_in_a_burst_is_overlooked(eyes):
    eyes.show(torn=0.15)
    answers = [eyes.capture(eyes.now_ns()) for _ in range(3)]
    assert all(isinstance(answer, Captured) for answer in answers)


def test_six_torn_frames_in_ten_seconds_start_the_camera_anew(eyes):
    eyes.show(torn=1)
    for _ in range(2):
        failed = eyes.capture(eyes.now_ns())
        assert isinstance(failed, CaptureFailed)
    eyes.show()
    eyes.restarted(2)
    assert isinstance(eyes.capture(eyes.now_ns()), Captured)


def test_a_camera_that_comes_back_under_another_node_is_found(eyes):
    eyes.show()
    eyes.capture()
    assert eyes.facts["node"] == "video0"
    eyes.show(renamed=1)
    assert isinstance(eyes.capture(eyes.now_ns()), Captured)
    eventually(lambda: eyes.facts.get("node") == "video1")
    assert eyes.incarnation == 1


def test_a_picture_that_cannot_be_read_fails_the_capture_only(eyes, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    eyes.show(str(tmp_path / "broken.jpg"))
    failed = eyes.capture()
    assert isinstance(failed, CaptureFailed)
    assert "broken.jpg" in failed.why
    with pytest.raises(RequestFailed, match=r"broken\.jpg"):
        eyes.sup.request("camera", TakePicture())
    eyes.show()
    assert isinstance(eyes.capture(), Captured)
    assert eyes.incarnation == 1


def test_frames_that_do_not_fit_into_the_ring_are_refused(open_eyes):
    small = CameraSettings(width_px_max=320, height_px_max=240, width_px=320, height_px=240)
    eyes = open_eyes(small)
    eyes.show()
    failed = eyes.capture()
    assert failed.why.startswith("torn: ")


# ----- the window -----------------------------------------------------------------------------


def trouble(eyes):
    return str(eyes.facts.get("trouble", ""))


def learned(eyes):
    eyes.show("")
    eventually(lambda: eyes.events.named("chamber_learned"))


def test_fog_raises_the_alarm_and_is_over_when_it_lifts(open_eyes):
    eyes = open_eyes(EAGER)
    learned(eyes)
    eyes.show("", blur=1.2)
    eventually(lambda: trouble(eyes).startswith("blurred: "))
    (alarm,) = eventually(lambda: eyes.events.named("alarm"))
    assert alarm["name"] == "clean_window"
    assert isinstance(eyes.capture(eyes.now_ns()), Captured)
    eyes.show("")
    eventually(lambda: not trouble(eyes))
    assert len(eventually(lambda: eyes.events.named("alarm_cleared"))) == 1


def test_spots_raise_the_alarm_and_many_of_them_refuse(open_eyes):
    eyes = open_eyes(EAGER)
    learned(eyes)
    eyes.show("", dirt=8)
    eventually(lambda: trouble(eyes).startswith("dirty: "))
    assert isinstance(eyes.capture(eyes.now_ns()), Captured)
    eyes.show("", dirt=70)
    eventually(lambda: "nothing is taken" in trouble(eyes))
    assert eyes.capture().why.startswith("dirty: nothing is taken")


def test_what_the_clean_chamber_looks_like_outlives_the_camera(open_eyes, tmp_path):
    eyes = open_eyes(EAGER, home=tmp_path / "camera")
    learned(eyes)
    os.kill(eyes.pid, signal.SIGKILL)
    eyes.show("", blur=4)
    eventually(lambda: eyes.incarnation == 2)
    eventually(lambda: trouble(eyes).startswith("blurred: "))
    assert len(eyes.events.named("chamber_learned")) == 1
    report = eyes.sup.request("camera", LearnChamber(), timeout_s=8.0, reply=CameraReport)
    assert report.state == "ok"
    eventually(lambda: not trouble(eyes))


# ----- sleeping and waking --------------------------------------------------------------------


def test_it_sleeps_when_nobody_comes_and_wakes_when_asked(open_eyes):
    eyes = open_eyes(CameraSettings(idle_sleep_s=0.2, check_period_s=1000))
    eyes.show()
    eventually(lambda: eyes.facts.get("camera") == "asleep")
    assert "trouble" not in eyes.facts
    assert isinstance(eyes.capture(eyes.now_ns()), Captured)
    assert eyes.facts["camera"] == "awake"
    eventually(lambda: eyes.facts["camera"] == "asleep")


def test_it_is_awake_while_an_item_is_on_its_way(open_eyes):
    eyes = open_eyes(CameraSettings(idle_sleep_s=0.2, check_period_s=1000))
    eventually(lambda: eyes.facts.get("camera") == "asleep")
    eyes.tell(CycleChanged(busy=True))
    eventually(lambda: eyes.facts["camera"] == "awake")
    began_ns = eyes.now_ns()
    eventually(lambda: eyes.now_ns() - began_ns > 600_000_000)
    assert eyes.facts["camera"] == "awake"
    eyes.tell(CycleChanged(busy=False))
    eventually(lambda: eyes.facts["camera"] == "asleep")


@pytest.mark.parametrize(("fault", "state"), [("black", "black"), ("vanish", "stalled")])
def test_asleep_it_still_finds_out_that_it_sees_nothing(open_eyes, fault, state):
    eyes = open_eyes(EAGER)
    eventually(lambda: eyes.facts.get("camera") == "asleep")
    eyes.show("", **{fault: 1})
    eventually(lambda: trouble(eyes).startswith(f"{state}: "))
    eyes.show("")
    eventually(lambda: not trouble(eyes))


# ----- people ---------------------------------------------------------------------------------


def test_the_report_has_the_numbers(eyes):
    eyes.show("")
    report = eyes.report()
    assert (report.state, report.why) == ("ok", "")
    assert report.measures["noise_levels"] == pytest.approx(1.6, rel=0.2)
    assert 0 <= report.measures["frame_age_s"] < 1
    assert eyes.pixels(report.frame).shape == (336, 448, 3)


def test_who_asks_hears_at_once_what_is_wrong(eyes):
    eyes.show("", black=1)
    report = eyes.report()
    assert report.state == "black"
    assert "lamp" in report.why
    assert report.frame is None


def test_an_operator_gets_a_picture_also_of_what_is_wrong(eyes):
    eyes.show("", black=1)
    captured = eyes.sup.request("camera", TakePicture(), reply=Captured)
    assert eyes.pixels(captured.frames[0]).mean() < 10


def test_a_missing_source_is_waited_for(tmp_path):
    missing = camera(tmp_path / "none", "actors.drivers.files:open_files")
    with tree(missing, shares=(AREA,)) as (sup, _):
        row = sup.rows["camera"]
        assert (row.state.value, row.restarts) == ("waiting", 0)
        assert "none" in row.waiting_for


# ----- death and frost ------------------------------------------------------------------------


def vital(pid):
    """Open descriptors and resident memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return len(os.listdir(f"/proc/{pid}/fd")), pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_hundreds_of_captures_leak_nothing_and_are_all_new(open_eyes):
    eyes = open_eyes(CameraSettings(burst_interval_s=0.0))
    eyes.show()
    before = None
    for number in range(300):
        asked_ns = eyes.now_ns()
        captured = eyes.capture(asked_ns)
        assert all(frame.t_mono_ns > asked_ns for frame in captured.frames)
        if number == 50:
            before = vital(eyes.pid)
    fds, memory_mb = vital(eyes.pid)
    assert fds == before[0]
    assert memory_mb < before[1] + 5


def test_killed_again_and_again_it_goes_on_and_shows_nothing_old(eyes):
    eyes.show()
    last = eyes.capture(eyes.now_ns()).frames[-1]
    own_fds = len(os.listdir("/proc/self/fd"))
    for life in range(2, 7):
        eyes.tell(Capture("m-1-1", eyes.now_ns()))
        os.kill(eyes.pid, signal.SIGKILL)
        eyes.restarted(life)
        asked_ns = eyes.now_ns()
        frames = eyes.capture(asked_ns).frames
        assert all(frame.t_mono_ns > asked_ns for frame in frames)
        assert frames[0].sequence > last.sequence
        last = frames[-1]
    eventually(lambda: len(os.listdir("/proc/self/fd")) <= own_fds)


def test_frozen_for_a_moment_it_answers_with_what_is_new(eyes):
    eyes.show(ITEM)
    eyes.capture()
    asked_ns = eyes.now_ns()
    eyes.tell(Capture("m-1-1", asked_ns))
    os.kill(eyes.pid, signal.SIGSTOP)
    eyes.show(OTHER)
    eventually(lambda: eyes.now_ns() - asked_ns > 500_000_000)
    os.kill(eyes.pid, signal.SIGCONT)
    eventually(lambda: eyes.heard)
    answer = eyes.heard.pop()
    if isinstance(answer, Captured):
        assert all(frame.t_mono_ns > asked_ns for frame in answer.frames)
    fresh = eyes.capture(eyes.now_ns()).frames
    assert all(frame.t_mono_ns > asked_ns + 500_000_000 for frame in fresh)


def test_frozen_for_longer_it_is_replaced(eyes):
    eyes.show()
    eyes.capture()
    os.kill(eyes.pid, signal.SIGSTOP)
    eyes.restarted(2)
    assert isinstance(eyes.capture(eyes.now_ns()), Captured)


# ----- live cameras ---------------------------------------------------------------------------

LIVE = CameraSettings(
    width_px=64, height_px=64, frames_per_s=50, latency_s=0.0, idle_sleep_s=0.5, check_period_s=1.0,
    presence_period_s=0.1, reopen_s=0.1, open_timeout_s=1.0, stuck_timeout_s=1.0,
)  # fmt: skip
STAY_AWAKE = msgspec.structs.replace(LIVE, idle_sleep_s=1000.0)


@pytest.fixture
def live(open_eyes, tmp_path):
    """A camera on a plug."""

    def start(limits=STAY_AWAKE, **more):
        root = tmp_path / "root"
        plug(root, 0)
        eyes = open_eyes(limits, where=root, source="tests.actors.drivers.strange:plugged", **more)
        eyes.root = root
        return eyes

    return start


def test_a_live_camera_gives_bursts(live):
    eyes = live()
    for _ in range(5):
        asked_ns = eyes.now_ns()
        frames = eyes.capture(asked_ns).frames
        assert len(frames) == 3
        assert all(frame.t_mono_ns > asked_ns for frame in frames)
    assert eyes.facts["node"].endswith("video0")


def test_unplugged_it_says_so_and_plugged_in_elsewhere_it_goes_on(live):
    eyes = live()
    eyes.capture()
    unplug(eyes.root)
    eventually(lambda: trouble(eyes).startswith("stalled: "))
    failed = eyes.capture(eyes.now_ns())
    assert isinstance(failed, CaptureFailed)
    assert failed.why.startswith("stalled: ")
    plug(eyes.root, 3)
    eventually(lambda: not trouble(eyes))
    assert isinstance(eyes.capture(eyes.now_ns()), Captured)
    assert eyes.facts["node"].endswith("video3")
    assert eyes.incarnation == 1


def test_unplugged_while_it_sleeps_it_is_missed_and_found(live):
    eyes = live(LIVE)
    eventually(lambda: eyes.facts.get("camera") == "asleep")
    unplug(eyes.root)
    eventually(lambda: "is it plugged in" in trouble(eyes))
    plug(eyes.root, 1)
    eventually(lambda: not trouble(eyes))


@pytest.mark.parametrize("how", ["hangs", "hangs with the interpreter"])
def test_a_driver_that_hangs_is_left_with_its_process(live, how):
    eyes = live()
    eyes.capture()
    node = eyes.root / "dev/video0"
    node.write_text(how)
    began_ns = eyes.now_ns()
    eventually(lambda: trouble(eyes).startswith("stalled: ") or eyes.incarnation == 0)
    node.write_text("")
    eyes.restarted(2)
    assert eyes.now_ns() - began_ns < 8e9
    assert isinstance(eyes.capture(eyes.now_ns()), Captured)


def test_a_program_that_writes_no_more_is_started_anew(open_eyes):
    words = [sys.executable, str(SENSOR), "64", "64", "50", "freezes"]
    eyes = open_eyes(STAY_AWAKE, where=f"pipe:{shlex.join(words)}", source=OPEN_CAMERA)
    assert isinstance(eyes.capture(eyes.now_ns()), Captured)
    eventually(lambda: trouble(eyes).startswith("stalled: "))
    eventually(lambda: not trouble(eyes))
    assert eyes.incarnation == 1


def test_live_and_stopped_for_a_moment_it_gives_nothing_that_waited_meanwhile(open_eyes):
    words = [sys.executable, str(SENSOR), "64", "64", "50"]
    eyes = open_eyes(STAY_AWAKE, where=f"pipe:{shlex.join(words)}", source=OPEN_CAMERA)
    eyes.capture()
    for _ in range(5):
        asked_ns = eyes.now_ns()
        eyes.tell(Capture("m-1-1", asked_ns))
        os.kill(eyes.pid, signal.SIGSTOP)
        eventually(lambda asked_ns=asked_ns: eyes.now_ns() - asked_ns > 300_000_000)
        thawed_ns = eyes.now_ns()
        os.kill(eyes.pid, signal.SIGCONT)
        eventually(lambda: eyes.heard)
        answer = eyes.heard.pop()
        if isinstance(answer, Captured):
            assert all(frame.t_mono_ns > thawed_ns for frame in answer.frames[1:])


def test_killed_with_a_program_it_leaves_none_behind(open_eyes):
    words = [sys.executable, str(SENSOR), "64", "64", "50", "stubborn"]
    eyes = open_eyes(STAY_AWAKE, where=f"pipe:{shlex.join(words)}", source=OPEN_CAMERA)
    for life in range(2, 5):
        eyes.capture()
        os.kill(eyes.pid, signal.SIGKILL)
        eyes.restarted(life)
    eventually(lambda: isinstance(eyes.capture(eyes.now_ns()), Captured))
    eventually(lambda: len(children()) == 1)


# ----- in virtual time ------------------------------------------------------------------------


def test_a_day_of_sleep_costs_little_and_proves_itself_every_minute(tmp_path):
    spec = camera(sim(tmp_path))
    stage = Stage(SupervisorSpec((spec,)), shares=(AREA,))
    stage.start()
    stage.advance(3600.0)
    facts = stage.facts("/camera")
    assert facts["camera"] == "asleep"
    stage.tell("/camera", CycleChanged(busy=True))
    stage.advance(0.01)
    assert stage.facts("/camera")["camera"] == "awake"
    stage.stop()
