"""The way from a frame to a decision, and what the process takes in which it is made.

Three times the same network on the same picture: in our inference process, asked by another actor;
in a bare ONNX Runtime session; in ultralytics' `predict`. The picture lies in the ring already:
what the camera takes to put it there is the runtime's benchmark.

ultralytics is given the detector that ships, as ONNX, and a YOLO26n that it has made itself, as the
`.pt` that its users have; we get the ONNX that it exports of that one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec.structs import replace

from actors.drivers.pictures import read_picture
from benchmarks.kit.contest import Absent, Case, Contender, Versus
from benchmarks.kit.eyes import eyes
from benchmarks.kit.memory import Memory, memory_of
from benchmarks.peers.ultralytics_predict import PeerAbsent, Ultralytics, make_yolo
from config.settings import CameraSettings
from models.vision import default_detector_directory, load_manifest, open_detector
from models.vision.letterbox import Letterbox
from models.vision.manifest import MANIFEST_FILE, InputContract, Weights
from models.world.catalogue import load_catalogue

if TYPE_CHECKING:
    from models.vision import Detector, Manifest
    from models.vision.detector import Frame

_LOOKS = 10
_ROUNDS = 45
"""Many short turns: what else runs on the machine meets all of them alike."""
_BURST = CameraSettings().burst_frames
_YOLO_PX = 320
_SURE = 0.25
"""Random weights are sure of nothing: nothing is seen, in the same time."""
_ACTORS = "frame to decision, through the actors"
_DETECTOR = "our detector alone"
_SESSION = "bare ONNX Runtime session"
_PREDICT, _PREDICT_PT = "ultralytics' predict, .onnx", "ultralytics' predict, .pt"
_BURST_ACTORS = f"burst of {_BURST} to decision"
_BURST_SESSION = f"bare session, {_BURST} runs"
_RSS, _PSS = "inference process, RSS", "inference process, PSS"
_PREDICT_RSS, _PREDICT_PSS = "ultralytics .onnx, RSS", "ultralytics .onnx, PSS"


class _Model(NamedTuple):
    """A model directory, and what ultralytics is given in its place."""

    directory: Path
    manifest: Manifest
    theirs: Path


def _shipped() -> _Model:
    directory = default_detector_directory()
    manifest = load_manifest(directory)
    return _Model(directory, manifest, directory / manifest.weights.file)


def _picture() -> Path:
    """A bottle: something is to be seen on it."""
    return load_catalogue().of_kind("mineral")[0].picture


# -- the way ------------------------------------------------------------------------------------


@contextmanager
def _decision(work: float) -> Iterator[Mapping[str, Contender]]:
    with ExitStack() as stack:
        yield _contenders(stack, _shipped(), work, _PREDICT)


@contextmanager
def _yolo(work: float) -> Iterator[Mapping[str, Contender]]:
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="bench-yolo-")))
        try:
            found = _contenders(stack, _made(home), work, _PREDICT_PT)
        except PeerAbsent as error:
            names = (_ACTORS, _DETECTOR, _SESSION, _PREDICT_PT)
            found = dict.fromkeys(names, Absent(str(error)))
        yield found


def _made(home: Path) -> _Model:
    """A YOLO26n as ultralytics makes it, and a model directory around its export."""
    shipped = load_manifest(default_detector_directory())
    wanted = InputContract(width_px=_YOLO_PX, height_px=_YOLO_PX, padding_level=114)
    theirs, ours = make_yolo(home, len(shipped.classes), wanted)
    content = ours.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    manifest = replace(
        shipped,
        name="yolo26n",
        weights=Weights(file=ours.name, format="onnx", size_bytes=len(content), sha256=digest),
        input=wanted,
        seen_from=_SURE,
        thresholds=dict.fromkeys(shipped.classes, _SURE),
        golden=(),
        card=None,
    )
    (home / MANIFEST_FILE).write_bytes(msgspec.json.encode(manifest))
    return _Model(home, manifest, theirs)


def _contenders(
    stack: ExitStack, model: _Model, work: float, predict: str
) -> Mapping[str, Contender]:
    looks, picture = max(5, round(_LOOKS * work)), _picture()
    frame = read_picture(picture)
    detector = stack.enter_context(closing(open_detector(model.directory)))
    session = _session(model, frame)
    ours = stack.enter_context(eyes(model.directory, [picture]))
    return {
        _ACTORS: lambda: ours.look_ms(looks),
        _DETECTOR: lambda: _timed_ms(lambda: detector.detect(frame), looks),
        _SESSION: lambda: _timed_ms(session, looks),
        predict: _predict(_peer(stack, model, frame), detector, frame, looks),
        _BURST_ACTORS: lambda: ours.look_ms(max(2, looks // _BURST), _BURST),
        _BURST_SESSION: lambda: _BURST * _timed_ms(session, looks),
    }


def _session(model: _Model, frame: Frame) -> Callable[[], object]:
    """The network alone, on the input that the detector would give it."""
    import onnxruntime  # after our own module, which keeps it from telling its maker

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = str(model.directory / model.manifest.weights.file)
    session: Any = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    wanted = model.manifest.input
    letterbox = Letterbox(wanted.width_px, wanted.height_px, wanted.padding_level)
    letterbox.fill(frame)
    inputs = {session.get_inputs()[0].name: letterbox.tensor}
    return lambda: session.run(None, inputs)


def _predict(peer: Ultralytics | Absent, detector: Detector, frame: Frame, looks: int) -> Contender:
    if isinstance(peer, Absent):
        return peer
    if not peer.agrees_with(detector.detect(frame), detector.info.classes):
        return Absent("ultralytics sees something else with these weights")
    return lambda: peer.predict_ms(looks)


def _peer(stack: ExitStack, model: _Model, frame: Frame) -> Ultralytics | Absent:
    try:
        return stack.enter_context(Ultralytics.started(model.theirs, model.manifest, frame))
    except PeerAbsent as error:
        return Absent(str(error))


def _timed_ms(work: Callable[[], object], times: int) -> float:
    """Median of so many times."""
    took_ms = []
    for _ in range(times):
        began_ns = time.perf_counter_ns()
        work()
        took_ms.append((time.perf_counter_ns() - began_ns) / 1e6)
    return median(took_ms)


# -- the memory ---------------------------------------------------------------------------------


@contextmanager
def _memory(work: float) -> Iterator[Mapping[str, Contender]]:
    model, picture, looks = _shipped(), _picture(), max(5, round(_LOOKS * work))
    with ExitStack() as stack:
        ours = stack.enter_context(eyes(model.directory, [picture]))
        theirs = _peer(stack, model, read_picture(picture))

        def host() -> Memory:
            ours.look_ms(looks)
            return ours.memory()

        def peer(of: Callable[[Memory], float]) -> Contender:
            return theirs if isinstance(theirs, Absent) else lambda: of(_looked(theirs, looks))

        yield {
            _RSS: lambda: host().rss_mb,
            _PREDICT_RSS: peer(lambda memory: memory.rss_mb),
            _PSS: lambda: host().pss_mb,
            _PREDICT_PSS: peer(lambda memory: memory.pss_mb),
        }


def _looked(peer: Ultralytics, looks: int) -> Memory:
    peer.predict_ms(looks)
    return memory_of(peer.pid)


CASES = (
    Case(
        "decision",
        "one picture in the ring to the acceptance rule's verdict, with the weights that ship",
        "ms",
        _decision,
        (
            Versus(_ACTORS, _PREDICT, 0.6),
            Versus(_ACTORS, _SESSION, 1.1),
            Versus(_DETECTOR, _SESSION),
            Versus(_ACTORS, _DETECTOR),
            Versus(_BURST_ACTORS, _BURST_SESSION),
        ),
        rounds=_ROUNDS,
        placements=("one",),
    ),
    Case(
        "decision-yolo",
        f"the same with a YOLO26n, {_YOLO_PX}x{_YOLO_PX}, random weights",
        "ms",
        _yolo,
        (
            Versus(_ACTORS, _PREDICT_PT, 0.6),
            Versus(_ACTORS, _SESSION, 1.1),
            Versus(_DETECTOR, _SESSION),
        ),
        rounds=_ROUNDS,
        placements=("one",),
    ),
    Case(
        "eyes-memory",
        "resident memory of the process that decides, after it has looked",
        "MB",
        _memory,
        (Versus(_RSS, _PREDICT_RSS, 0.4), Versus(_PSS, _PREDICT_PSS)),
        rounds=3,
        placements=("one",),
    ),
)
