"""The machine's eyes.

    detector.py    the interface, and what a detector says
    manifest.py    what a model is, and the proof that its weights are the right ones
    backends/      what runs a model here: ONNX Runtime, TensorRT, OpenCV, ultralytics
    letterbox.py   a picture of any shape into the network's rectangle
    frames.py      where a frame lies in the shared ring (words only)
    ring.py        the frame ring between camera and reader
    liveness.py    whether a picture is of now and of the chamber; window.py: through clean glass

    golden.py      the pictures that a model has to answer; canary.py: again and again
    store.py       the models of a machine; swap.py: which of them serves, trial.py: on trial
    ladder.py      what is given up, and in which order, when memory is short
    evidence.py    what a decision rested on, in words
    metrics.py     how good a detector is

    outline/, barcode/, articles.py, second_look.py     what is seen beside the decision
    rendering/, training/                               how a detector is made; no daemon needs them

Importing this package, `detector`, `manifest`, `backends`, `frames` and `errors` needs neither
numpy nor OpenCV nor a back end's library; opening a detector, looking at pixels and the ring do.
"""

from pathlib import Path

from models.vision.backends import AUTO, BackendReport, Options, available_backends, open_with
from models.vision.detector import Detection, Detector, DetectorInfo
from models.vision.manifest import Golden, Manifest, load_manifest, read_golden, read_weights

__all__ = [
    "BackendReport",
    "Detection",
    "Detector",
    "DetectorInfo",
    "Golden",
    "Manifest",
    "available_backends",
    "default_detector_directory",
    "load_manifest",
    "open_detector",
    "read_golden",
    "read_weights",
]


def default_detector_directory() -> Path:
    """Say where the detector lies that ships with the machine."""
    return Path(__file__).resolve().parent.parent / "detectors" / "detector-v3"


def open_detector(
    directory: Path,
    *,
    threads: int = 1,
    backend: str = AUTO,
    cache: Path | None = None,
    build: bool = True,
    lean: bool = False,
) -> Detector:
    """Verify a model and load it.

    Args:
        directory: holds `manifest.json`, the weights and the golden pictures.
        threads: for one inference.
        backend: one of `backends.BACKENDS`, or `auto` for the best that is here.
        cache: directory of engines built on this machine; without one, none is kept.
        build: whether an engine may be built now. That takes minutes; without it, `auto` goes on
            with the portable model and `info.note` says so.
        lean: spend time to save memory.

    Raises:
        ModelError: what is wrong with the model, and what to do about it.
    """
    manifest = load_manifest(directory)
    weights = read_weights(directory, manifest)
    for golden in manifest.golden:
        read_golden(directory, golden)
    options = Options(threads=threads, cache=cache, build=build, lean=lean)
    return open_with(weights, manifest, options, backend)
