"""A YOLO26n and a YOLO11n of our three classes, untrained but talkative, as .pt and as .onnx.

Run as a program, with the directory to write to: torch and its threads end with it.
"""

import sys
from pathlib import Path

HEIGHT_PX, WIDTH_PX = 64, 96
CLASSES = ("mineral", "not_empty", "soda")


def main(directory: Path) -> None:
    import torch
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel

    torch.manual_seed(1)
    torch.set_num_threads(1)
    for name in ("yolo26n", "yolo11n"):
        model = DetectionModel(f"{name}.yaml", nc=len(CLASSES), verbose=False)
        model.names = dict(enumerate(CLASSES))
        head = model.model[-1]
        for branch in (head.cv3, getattr(head, "one2one_cv3", ())):
            for layers in branch:  # confidences all over the scale instead of near nothing
                torch.nn.init.normal_(layers[-1].weight, std=0.3)
                torch.nn.init.zeros_(layers[-1].bias)
        settle(model)
        torch.save({"model": model, "train_args": {}}, directory / f"{name}.pt")
    saved = YOLO(str(directory / "yolo26n.pt"))
    saved.export(format="onnx", imgsz=[HEIGHT_PX, WIDTH_PX], nms=False)


def settle(model) -> None:
    """Let every layer see what numbers it gets; untrained, they would die away on their way."""
    import torch

    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None
    model.train()
    with torch.no_grad():
        for _ in range(4):
            model(torch.rand(8, 3, HEIGHT_PX, WIDTH_PX))
    model.eval()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
