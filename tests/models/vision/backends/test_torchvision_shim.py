"""torchvision's one operator, put in its place; in a fresh process, because imports stay."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import models

PROGRAM = """
import json
from models.vision.backends import torchvision_shim
replaced = torchvision_shim.install()
again = torchvision_shim.install()
import torch, torchvision
boxes = torch.tensor([[0., 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30]])
kept = torchvision.ops.nms(boxes, torch.tensor([0.5, 0.9, 0.3]), 0.5)
print(json.dumps({"again": again and not replaced, "kept": kept.tolist()}))
"""


@pytest.mark.skipif(
    not all(map(find_spec, ("torchvision", "ultralytics"))),
    reason="torchvision or ultralytics is not installed; pip install 'rvm-edge[train]'",
)
def test_torchvision_works_whatever_it_was_linked_to(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        env={
            **os.environ,
            "YOLO_CONFIG_DIR": str(tmp_path),
            "YOLO_VERBOSE": "false",
            "PYTHONPATH": str(Path(models.__file__).parent.parent),
        },
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"again": False, "kept": [1, 2]}
