"""A centre-point network: "Objects as Points" (Zhou, Wang, Krähenbühl 2019), made lean.

A residual backbone to stride 32 with a global view, a top-down path back to stride 8, and there a
heat map a class, the four distances to the box's edges, and, while it learns, what covers each
cell (thing by class, liquid). Clear water in a clear bottle is told by edges and reflections along
the whole body, so the mask teaches where to look; it costs nothing later: the export drops it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 8
PRIOR = 0.01
"""A cell is a centre this often: where the heat maps begin."""


class Answer(NamedTuple):
    """What the network says of a batch; h and w are the picture's divided by 8, rounded up.

    Attributes:
        heat: logits (b, classes, h, w).
        reach: distances (b, 4, h, w) from the cell's middle to left, top, right, bottom, in cells.
        cover: logits (b, 1 + classes, h, w): background, or the class of the thing that covers the
            cell; channel 1 + not_empty is the liquid, beside the others.
    """

    heat: Tensor
    reach: Tensor
    cover: Tensor


class Shape(NamedTuple):
    """Channels at strides 2, 4, 8, 16 and 32, residual blocks at the last four, and the neck's."""

    channels: tuple[int, int, int, int, int] = (16, 32, 64, 112, 176)
    blocks: tuple[int, int, int, int] = (1, 2, 3, 2)
    neck: int = 72


class CentreNet(nn.Module):
    """See the module.

    Args:
        classes: how many.
    """

    def __init__(self, classes: int, shape: Shape | None = None) -> None:
        super().__init__()
        shape = shape or Shape()
        stem, *wide = shape.channels
        self.stem = _conv(3, stem, stride=2)
        before, stages = stem, []
        for channels, blocks in zip(wide, shape.blocks, strict=True):
            layers = [
                _conv(before, channels, stride=2),
                *(Residual(channels) for _ in range(blocks)),
            ]
            stages.append(nn.Sequential(*layers))
            before = channels
        self.stages = nn.ModuleList(stages)
        self.globe = Globe(before)
        self.sideways = nn.ModuleList(_conv(c, shape.neck, kernel=1) for c in wide[1:])
        self.smooth = nn.ModuleList(_conv(shape.neck, shape.neck) for _ in range(2))
        self.trunk = nn.Sequential(_conv(shape.neck, shape.neck), Residual(shape.neck))
        self.heat = nn.Sequential(_conv(shape.neck, shape.neck), nn.Conv2d(shape.neck, classes, 1))
        self.reach = nn.Sequential(_conv(shape.neck, shape.neck), nn.Conv2d(shape.neck, 4, 1))
        self.cover = nn.Conv2d(shape.neck, 1 + classes, 1)
        bias = self.heat[-1].bias
        assert bias is not None
        nn.init.constant_(bias, float(torch.logit(torch.tensor(PRIOR))))

    def forward(self, pictures: Tensor) -> Answer:
        """Args: pictures: float (b, 3, H, W), RGB, 0 to 1."""
        seen = self.stem(pictures - 0.25)
        levels = []
        for stage in self.stages:
            seen = stage(seen)
            levels.append(seen)
        levels[-1] = self.globe(levels[-1])
        low, middle, high = (
            side(level) for side, level in zip(self.sideways, levels[1:], strict=True)
        )
        middle = self.smooth[0](middle + _grown(high, middle))
        low = self.trunk(self.smooth[1](low + _grown(middle, low)))
        return Answer(self.heat(low), functional.softplus(self.reach(low)) * 4, self.cover(low))


class Residual(nn.Module):
    """Two convolutions beside a straight way."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


class Globe(nn.Module):
    """Lets every cell know the whole picture: how bright it is, what kind of belt lies there."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        whole = self.mix(x.mean((2, 3), keepdim=True))
        # Expanded by hand: OpenCV's importer melts a sum into the convolution before it.
        return functional.relu(x + whole.expand_as(x))


def _grown(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, size=like.shape[2:], mode="nearest")


def _conv(before: int, after: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )
