"""Rules cost nothing to import: the core process has no numpy, no OpenCV, no ONNX Runtime."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import models

RULES = (
    "models",
    "models.acceptance",
    "models.texts",
    "models.vision",
    "models.vision.detector",
    "models.vision.errors",
    "models.vision.frames",
    "models.vision.manifest",
    "models.world.catalogue",
)


@pytest.mark.parametrize("module", RULES)
def test_a_rule_imports_no_heavy_library(module: str):
    code = (
        f"import sys, {module}\n"
        "print(sorted({'numpy', 'cv2', 'onnxruntime', 'pykka'} & set(sys.modules)))"
    )
    home = str(Path(models.__file__).parent.parent)
    answer = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": home},
    )
    assert answer.stdout.strip() == "[]"
