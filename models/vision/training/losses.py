"""How wrong an answer is."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from models.vision.training.network import Answer
from models.vision.training.targets import NOT_EMPTY, UNKNOWN


class Truths(NamedTuple):
    """`targets.Target` of a batch, as tensors."""

    heat: Tensor
    reach: Tensor
    weight: Tensor
    cover: Tensor
    liquid: Tensor


class Loss(NamedTuple):
    """The parts, each a mean over the batch, and their sum."""

    total: Tensor
    heat: Tensor
    box: Tensor
    cover: Tensor


def loss(answer: Answer, truths: Truths) -> Loss:
    """Add up: centres (penalty-reduced focal loss), boxes (GIoU), and what covers each cell."""
    heat = _focal(answer.heat.float(), truths.heat)
    box = _giou(answer.reach.float(), truths.reach, truths.weight)
    cover = _covered(answer.cover.float(), truths)
    return Loss(heat + 2.0 * box + cover, heat, box, cover)


def _focal(logits: Tensor, truth: Tensor) -> Tensor:
    """Lin et al. 2017 with the Gaussian's penalty of Law, Deng 2018; alpha 2, beta 4."""
    chance = logits.sigmoid()
    is_centre = truth > 0.999
    right = functional.logsigmoid(logits) * (1 - chance) ** 2
    wrong = functional.logsigmoid(-logits) * chance**2 * (1 - truth) ** 4
    count = is_centre.sum().clamp(min=1)
    return -(right[is_centre].sum() + wrong[~is_centre].sum()) / count


def _giou(reach: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Generalised IoU (Rezatofighi et al. 2019) of boxes that share the cell they start from."""
    left, top, right, bottom = reach.unbind(1)
    l, t, r, b = truth.unbind(1)  # noqa: E741
    both = (torch.minimum(left, l) + torch.minimum(right, r)) * (
        torch.minimum(top, t) + torch.minimum(bottom, b)
    )
    union = (left + right) * (top + bottom) + (l + r) * (t + b) - both
    hull = (torch.maximum(left, l) + torch.maximum(right, r)) * (
        torch.maximum(top, t) + torch.maximum(bottom, b)
    )
    giou = both / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)
    return ((1 - giou) * weight).sum() / weight.sum().clamp(min=1)


def _covered(logits: Tensor, truths: Truths) -> Tensor:
    liquid = functional.binary_cross_entropy_with_logits(
        logits[:, 1 + NOT_EMPTY], truths.liquid, reduction="none"
    )
    solid = torch.cat([logits[:, : 1 + NOT_EMPTY], logits[:, 2 + NOT_EMPTY :]], 1)
    cover = truths.cover.long()
    # Without the liquid's channel the classes behind it move up by one.
    number = torch.where((cover > 1 + NOT_EMPTY) & (cover != UNKNOWN), cover - 1, cover)
    what = functional.cross_entropy(solid, number, ignore_index=UNKNOWN)
    # Most of a picture is belt, and dry: what has to be learned is asked where a thing lies.
    thing = (cover != 0) & (cover != UNKNOWN)
    inside = (liquid * thing).sum() / thing.sum().clamp(min=1)
    return what + liquid.mean() + inside
