"""Rules cost nothing to import: the core process has no numpy, no OpenCV, no ONNX Runtime."""

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import models

NATIVE = {
    "models.vision.barcode.decoders",
    "models.vision.barcode.reader",
    "models.vision.backends.end_to_end",
    "models.vision.letterbox",
    "models.vision.backends.onnx",
    "models.vision.backends.opencv",
    "models.vision.outline.grabcut",
    "models.vision.outline.matching",
    "models.vision.outline.polygon",
    "models.vision.outline.segment",
    "models.vision.outline.ultralytics",
    "models.vision.ring",
    "models.vision.backends.tensorrt",
    "models.vision.backends.tensorrt_build",
    "models.vision.backends.ultralytics",
}
"""What works on pixels, imported in processes of their own only."""
WORKSHOP = ("models.vision.rendering.", "models.vision.training.")
"""What makes pictures and models; the machine never imports it."""
PROGRAM = """
import importlib, sys
heavy = {"numpy", "cv2", "onnxruntime", "pykka", "cryptography", "lmdb", "asyncio"}
for name in sys.argv[1:]:
    importlib.import_module(name)
    loaded = heavy & set(sys.modules)
    if loaded:
        sys.exit(f"{name} loads {sorted(loaded)}")
"""


def test_no_rule_imports_a_heavy_library():
    found = [one.name for one in pkgutil.walk_packages(models.__path__, "models.")]
    rules = [name for name in found if name not in NATIVE and not name.startswith(WORKSHOP)]
    assert set(found) >= NATIVE
    assert len(rules) > 40
    home = str(Path(models.__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *rules],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, "PYTHONPATH": home},
    )
    assert (done.returncode, done.stderr) == (0, "")
