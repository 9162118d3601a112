"""From a run to weights that the machine can use: ONNX with the contract (1, N, 6)."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import torch
from torch import nn

from models.vision.training.decode import EndToEnd
from models.vision.training.network import CentreNet

OPSET = 17
"""The newest that TensorRT 10.3 (JetPack 6) and OpenCV 4.10 both read."""


def fused(network: CentreNet) -> CentreNet:
    """Fold every normalisation into its convolution; the answers stay the same."""
    network = network.eval()
    for module in network.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for at in range(len(module) - 1):
            if isinstance(module[at], nn.Conv2d) and isinstance(module[at + 1], nn.BatchNorm2d):
                module[at] = torch.nn.utils.fuse_conv_bn_eval(module[at], module[at + 1])
                module[at + 1] = nn.Identity()
    return network


def to_onnx(network: CentreNet, width_px: int, height_px: int) -> bytes:
    """Write the network with its decoding as one ONNX graph of a fixed size."""
    whole = EndToEnd(fused(network.cpu().float())).eval()
    blank = torch.zeros(1, 3, height_px, width_px)
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # The tracing exporter is deprecated in favour of one that needs onnxscript.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            whole,
            (blank,),
            stream,
            input_names=["images"],
            output_names=["rows"],
            opset_version=OPSET,
            dynamo=False,
        )
    return stream.getvalue()


def load_average(checkpoint: Path, classes: int) -> CentreNet:
    """Read the averaged weights of a run."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    network = CentreNet(classes)
    network.load_state_dict(state["average"])
    return network
