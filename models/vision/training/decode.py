"""From heat maps to rows: the end-to-end answer (b, N, 6) that every back end knows.

A cell counts where its heat is the highest among its neighbours of the same class: that is all the
suppression of doubles there is, and it is part of the network.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.vision.training.network import STRIDE, Answer, CentreNet

ROWS = 24
"""Detections given for a picture: more things than fit on the belt."""


def rows(answer: Answer, count: int = ROWS) -> Tensor:
    """Give the surest centres: (b, count, 6) x1, y1, x2, y2 in pixels, confidence, class."""
    heat = answer.heat.sigmoid()
    peaks = functional.max_pool2d(heat, 5, 1, 2)
    heat = heat * (heat >= peaks).to(heat.dtype)
    b, classes, h, w = heat.shape
    confidence, where = heat.reshape(b, classes * h * w).topk(count, dim=1)
    number, cell = where // (h * w), where % (h * w)
    reach = answer.reach.reshape(b, 4, h * w)
    reach = reach.gather(2, cell.unsqueeze(1).expand(b, 4, count))
    x, y = (cell % w).to(heat.dtype) + 0.5, (cell // w).to(heat.dtype) + 0.5
    left, top, right, bottom = reach.unbind(1)
    edges = torch.stack([x - left, y - top, x + right, y + bottom], 2) * STRIDE
    return torch.cat([edges, confidence.unsqueeze(2), number.to(heat.dtype).unsqueeze(2)], 2)


class EndToEnd(nn.Module):
    """The network with its decoding, for the export."""

    def __init__(self, network: CentreNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Args: images: float32 (1, 3, H, W), RGB, 0 to 1."""
        return rows(self.network(images))
