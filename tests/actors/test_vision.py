"""Camera and inference in their own processes: real pictures, the real ring and detector."""

import mmap
import os
import shutil
import signal

import pytest

from actors.camera import FRAMES, Camera
from actors.drivers.simulated.claims import Claims
from actors.drivers.simulated.scene import WORLD, draw_scene
from actors.inference import Inference
from models.vision import default_detector_directory
from models.vision.frames import format_ring, ring_size_bytes
from models.world.catalogue import load_catalogue
from protocol.vision import (
    Capture,
    Captured,
    CaptureFailed,
    Classified,
    Classify,
    ClassifyFailed,
    FrameRef,
    TakePicture,
)
from supervisors import ChildSpec, RequestFailed
from supervisors.shares import SharedMemory
from supervisors.testing import eventually
from tests.actors.runtime import listener, sim, tree

SLOTS, SLOT_BYTES = 3, 640 * 480 * 3
AREA = SharedMemory(FRAMES, ring_size_bytes(SLOTS, SLOT_BYTES))
Heard = listener(Captured, CaptureFailed, Classified, ClassifyFailed)


def camera(where, source="actors.drivers.simulated:SceneSource"):
    args = {"source": source, "where": str(where)}
    return ChildSpec("camera", Camera, args=args, host="process", shares=(FRAMES,))


def inference(model=None):
    args = {"model": model, "threads": 1}
    return ChildSpec("inference", Inference, args=args, host="process", shares=(FRAMES,))


@pytest.fixture
def eyes(tmp_path):
    """Camera, inference and a listener; `show` puts a picture on the belt."""
    heard = []
    with tree(
        ChildSpec("heard", Heard, args={"heard": heard}),
        camera(sim(tmp_path)),
        inference(),
        shares=(AREA,),
    ) as (sup, _):
        eyes = Eyes(sup, heard, tmp_path / "sim")
        yield eyes
        eyes.claims.drop()


class Eyes:
    def __init__(self, sup, heard, home):
        self.sup, self.heard, self.home = sup, heard, home
        self.claims = Claims(home)
        self.claims.take(WORLD)  # a scene is believed while the world that draws it lives

    def show(self, name):
        draw_scene(self.home, str(load_catalogue().find(name)[0].picture))

    def say(self, address, message):
        envelope = self.sup.system.envelope(0, address, message)
        envelope.source = "/heard"
        self.sup.system.route(envelope)
        eventually(lambda: self.heard)
        return self.heard.pop()


@pytest.fixture(autouse=True)
def formatted(monkeypatch):
    """Every ring of these tests is formatted as soon as it exists, as the daemon does."""
    from supervisors.shares import Shares

    make = Shares.fd

    def fd(self, name):
        is_new = name not in self._fds
        number = make(self, name)
        if is_new and name == FRAMES:
            with mmap.mmap(number, 0) as ring:
                format_ring(ring, slots=SLOTS, slot_bytes=SLOT_BYTES)
        return number

    monkeypatch.setattr(Shares, "fd", fd)


def test_a_frame_goes_from_the_scene_to_a_decision(eyes):
    for name, decision in (("007_0036", "accept"), ("007_0000", "reject")):
        eyes.show(name)
        captured = eyes.say("/camera", Capture("m-1-1", 0))
        assert isinstance(captured, Captured)
        assert (captured.frame.width, captured.frame.height) == (448, 336)
        classified = eyes.say("/inference", Classify("m-1-1", captured.frame))
        assert isinstance(classified, Classified)
        assert classified.decision == decision
        assert classified.model == "detector-v0"
        assert all(0 < seen.confidence <= 1 for seen in classified.detections)


def test_each_picture_is_exposed_after_it_was_asked_for(eyes):
    before_ns = eyes.sup.system.clock.monotonic_ns()
    first = eyes.say("/camera", Capture("a", before_ns)).frame
    second = eyes.say("/camera", Capture("b", 0)).frame
    assert before_ns < first.t_mono_ns < second.t_mono_ns
    assert second.sequence == first.sequence + 1


def test_a_frame_that_is_gone_is_no_answer_and_no_crash(eyes):
    first = eyes.say("/camera", Capture("a", 0)).frame
    for _ in range(SLOTS):
        eyes.say("/camera", Capture("b", 0))
    assert isinstance(eyes.say("/inference", Classify("a", first)), ClassifyFailed)
    nonsense = FrameRef(99, 2, 336, 448, 3, 0, 0)
    assert isinstance(eyes.say("/inference", Classify("a", nonsense)), ClassifyFailed)
    assert eyes.sup.ref("inference").incarnation == 1


def test_the_ring_outlives_a_killed_camera(eyes):
    first = eyes.say("/camera", Capture("a", 0)).frame
    os.kill(eyes.sup.rows["camera"].running.pid, signal.SIGKILL)
    eventually(lambda: (ref := eyes.sup.ref("camera")) is not None and ref.incarnation == 2)
    again = eyes.say("/camera", Capture("b", 0)).frame
    assert again.sequence > first.sequence
    assert isinstance(eyes.say("/inference", Classify("b", again)), Classified)


def test_a_picture_that_cannot_be_read_fails_the_capture_only(eyes, tmp_path):
    eyes.home.mkdir(exist_ok=True)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    (eyes.home / "scene").write_text(str(tmp_path / "broken.jpg"))
    failed = eyes.say("/camera", Capture("a", 0))
    assert isinstance(failed, CaptureFailed)
    assert "broken.jpg" in failed.why
    with pytest.raises(RequestFailed, match=r"broken\.jpg"):
        eyes.sup.request("camera", TakePicture())
    eyes.show("007_0036")
    assert isinstance(eyes.say("/camera", Capture("b", 0)), Captured)


def test_a_missing_source_is_waited_for(tmp_path):
    missing = camera(tmp_path / "none", "actors.drivers.pictures:PictureDirectory")
    with tree(missing, shares=(AREA,)) as (sup, _):
        row = sup.rows["camera"]
        assert (row.state.value, row.restarts) == ("waiting", 0)
        assert "none" in row.waiting_for


def test_a_flipped_byte_in_the_weights_is_waited_for_with_its_reason(tmp_path):
    model = tmp_path / "model"
    shutil.copytree(default_detector_directory(), model)
    weights = next(model.glob("*.onnx"))
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with tree(inference(str(model)), shares=(AREA,)) as (sup, _):
        row = sup.rows["inference"]
        assert (row.state.value, row.restarts) == ("waiting", 0)
        assert "SHA-256" in row.waiting_for
