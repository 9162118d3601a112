"""The machine's eyes.

    manifest.py    what a model is, and the proof that its weights are the right ones
    detector.py    the interface, and what a detector says
    letterbox.py   a picture of any shape into the network's square
    onnx.py        the ONNX Runtime back end
    frames.py      where a frame lies in the shared ring (words only)
    ring.py        the frame ring between camera and reader

Importing this package, `detector`, `manifest`, `frames` and `errors` needs neither numpy nor
OpenCV nor ONNX Runtime; only `open_detector`, `letterbox`, `onnx` and `ring` do.
"""

from pathlib import Path

from models.vision.detector import Detection, Detector, DetectorInfo
from models.vision.manifest import Manifest, load_manifest, read_weights

__all__ = [
    "Detection",
    "Detector",
    "DetectorInfo",
    "Manifest",
    "default_detector_directory",
    "load_manifest",
    "open_detector",
    "read_weights",
]


def default_detector_directory() -> Path:
    """Say where the detector lies that ships with the machine."""
    return Path(__file__).resolve().parent.parent / "detectors" / "detector-v0"


def open_detector(directory: Path, *, threads: int = 1) -> Detector:
    """Verify a model and load it.

    Args:
        directory: holds `manifest.json` and the weights.
        threads: for one inference.

    Raises:
        ModelError: what is wrong with the model, and what to do about it.
    """
    manifest = load_manifest(directory)
    weights = read_weights(directory, manifest)
    # Here, not above: the core process opens no detector and must not pay for one.
    from models.vision.onnx import OnnxDetector

    return OnnxDetector(weights, manifest, threads=threads)
