"""Lets ultralytics train and validate where torchvision's compiled part does not load.

Beside a processor-only torch the torchvision that pip installs is one that was linked to CUDA; its
operators do not register, and `import torchvision` fails over `torchvision::nms`. Only that one
operator is needed, and ultralytics has it in plain torch. `install` registers it under
torchvision's name, before torchvision is imported. Where torchvision is sound, nothing is changed.

Tools for training call this first; the machine needs no torchvision at all.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

OPERATORS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def install() -> bool:
    """Make `import torchvision` work.

    Returns:
        Whether the operators had to be put in its place.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        pass  # its operators are missing
    else:
        return False
    _forget_half_imported()
    torch: Any = importlib.import_module("torch")
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name, signature in OPERATORS.items():
        library.define(name + signature)
        library.impl(name, _suppress_doubles, "CompositeExplicitAutograd")
    vision: Any = importlib.import_module("torchvision")
    # The operators live as long as their library; torchvision asks its extension for them.
    vision.extension._rvm_operators = library  # noqa: SLF001 - kept where they are used
    vision.extension._has_ops = lambda: True  # noqa: SLF001 - the only place that says it
    return True


def _suppress_doubles(boxes: Any, scores: Any, iou_threshold: float) -> Any:
    """Indices of the boxes (N, 4) to keep, surest first: ultralytics' own, in plain torch."""
    nms: Any = importlib.import_module("ultralytics.utils.nms")
    return nms.TorchNMS.nms(boxes, scores, iou_threshold)


def _forget_half_imported() -> None:
    """A failed import leaves its submodules behind, and the next one would find them."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
