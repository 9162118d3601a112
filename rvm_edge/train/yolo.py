"""ultralytics' YOLO, from random weights: the other side of the referee's question.

ultralytics is AGPL-3.0 and says that of what it exports, too; nothing of it is in the daemon.
docs/training.md has what it does by itself unless it is told not to.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rvm_edge.train.centre import Tell
from rvm_edge.train.runs import RunAbout, RunInvalid

FOLDER = "ultralytics"
FINISHED = "finished"
"""An empty file: its presence says that the last epoch was trained."""
OPSET = 17
"""The newest that TensorRT 10.3 (JetPack 6) and OpenCV 4.10 both read."""
WORKERS = 2  # processes that read pictures; each costs memory, more do not help two cores

ENVIRONMENT = {
    "YOLO_AUTOINSTALL": "false",  # it would call pip at run time, and replace torch by another one
    "YOLO_OFFLINE": "true",  # it would tell its maker, look for updates and fetch fonts
    "YOLO_VERBOSE": "false",
}


def fit_yolo(
    path: Path,
    about: RunAbout,
    device: str,
    tell: Tell,
    should_stop: Callable[[], bool],
    *,
    half: bool,
) -> bool:
    """Begin the run or go on with it; it is saved after every epoch.

    Args:
        half: compute in bfloat16, also on a processor: 1.2 to 2 times as fast where it can.

    Returns:
        Whether it came to its end.
    """
    if (path / FOLDER / FINISHED).exists():
        return True
    library = _start_library(path)
    last = path / FOLDER / "weights" / "last.pt"
    fresh = not last.exists()
    model = library.YOLO(f"{about.network}.yaml" if fresh else str(last))

    def after_epoch(trainer: Any) -> None:
        losses = ", ".join(
            f"{name.rpartition('/')[2]} {float(value):.3f}"
            for name, value in trainer.label_loss_items(trainer.tloss).items()
        )
        score = trainer.metrics.get("metrics/mAP50(B)", 0.0)
        tell(trainer.epoch + 1, f"{losses}, mAP50 {score:.3f}")
        if should_stop() and trainer.epoch + 1 < about.epochs:
            # Its own way to stop takes out of the file what is needed to go on.
            raise _Stopped

    model.add_callback("on_fit_epoch_end", after_epoch)
    if half:
        _allow_half_on_processors()
    wishes = _settings(path, about, device, half=half) if fresh else {"resume": True}
    try:
        model.train(**wishes)
    except _Stopped:
        return False
    (path / FOLDER / FINISHED).touch()
    return True


class _Stopped(Exception):
    """Thrown through ultralytics' loop after an epoch was saved."""


def _settings(path: Path, about: RunAbout, device: str, *, half: bool) -> dict[str, Any]:
    return {
        "data": str(Path(about.sources[0]) / "data.yaml"),
        "epochs": about.epochs,
        "imgsz": max(about.width_px, about.height_px),
        "batch": about.batch,
        "seed": about.seed,
        "device": device or None,
        "project": str(path),
        "name": FOLDER,
        "exist_ok": True,
        "pretrained": False,
        "amp": "bf16" if half else False,
        "workers": WORKERS,
        "plots": False,
        "verbose": False,
        # The camera looks straight down: any mirror image is another picture of the chamber.
        "flipud": 0.5,
        "fliplr": 0.5,
        # Bottles are told from cans by colour, and full ones by faint shades.
        "hsv_h": 0.01,
        "hsv_s": 0.4,
        "hsv_v": 0.4,
        "close_mosaic": max(1, about.epochs // 5),
    }


def epochs_done(path: Path) -> int:
    """How many epochs of the run are saved."""
    table = path / FOLDER / "results.csv"
    return max(0, len(table.read_text().splitlines()) - 1) if table.exists() else 0


def export_yolo(path: Path, about: RunAbout) -> bytes:
    """Give the run's best weights as ONNX, end to end.

    Raises:
        RunInvalid: nothing is saved yet.
    """
    best = path / FOLDER / "weights" / "best.pt"
    if not best.exists():
        raise RunInvalid(f"{path} has saved nothing yet; let bin/train fit go on")
    library = _start_library(path)
    # ultralytics writes beside the weights, and under one name whatever the size.
    scratch = path / "export"
    scratch.mkdir(exist_ok=True)
    copy = scratch / best.name
    shutil.copyfile(best, copy)
    # YOLO26 has a head that needs no suppression of doubles (nms=False asks for it; unasked, the
    # other one is exported); YOLO11 has none, so the suppression becomes part of the graph.
    model = library.YOLO(str(copy))
    written = model.export(
        format="onnx",
        imgsz=[about.height_px, about.width_px],
        nms=about.network != "yolo26n",
        opset=OPSET,
        simplify=False,
        device="cpu",
    )
    return Path(written).read_bytes()


def _start_library(path: Path) -> Any:
    """Import ultralytics, held on a short lead.

    Raises:
        RunInvalid: it is not installed.
    """
    os.environ.update(ENVIRONMENT, YOLO_CONFIG_DIR=str(path))
    try:
        from models.vision.backends import torchvision_shim

        torchvision_shim.install()
        import ultralytics
    except ImportError as error:
        raise RunInvalid(
            f"ultralytics cannot be imported ({error}); install the extra: bin/setup train"
        ) from error
    return ultralytics


def _allow_half_on_processors() -> None:
    """Ultralytics refuses bfloat16 off CUDA; torch does not, and new processors have it."""
    import torch
    from ultralytics.engine import trainer

    def autocast(enabled: bool | torch.dtype, device: str = "cuda") -> torch.amp.autocast:
        return torch.amp.autocast(device, dtype=torch.bfloat16, enabled=bool(enabled))

    trainer.autocast = autocast
