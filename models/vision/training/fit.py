"""The training run: seeded, resumable, on a GPU where there is one.

Pictures that are rendered while it runs are taken in at the next look into the folder. One of ten
(`Folder.is_measured`) is never learned from.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from models.vision.rendering.dataset import Folder
from models.vision.rendering.items import CLASSES
from models.vision.training.losses import Truths, loss
from models.vision.training.network import CentreNet
from models.vision.training.pictures import Example, Sample, example, take, varied

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"

Batch: TypeAlias = list[Example]


@dataclass(frozen=True)
class Recipe:
    """What a run does; another recipe is another run.

    Attributes:
        width_px, height_px: of the network's input.
        steps: batches in all; the learning rate falls to nothing over them (cosine).
        variants: how often each rendered picture is developed.
        rate: of learning, at its highest.
        start: SHA-256 of the checkpoint whose average is learned on from; empty: from nothing.
        averaged: of the weights' moving average, which is what gets exported.
        look_every: steps after which the folder is looked into and the average is validated.
    """

    width_px: int = 320
    height_px: int = 240
    steps: int = 9000
    batch: int = 32
    rate: float = 2e-3
    decay: float = 0.03
    variants: int = 3
    averaged: float = 0.998
    seed: int = 1
    look_every: int = 250
    start: str = ""


class Report(NamedTuple):
    """How far it is, after every step.

    Attributes:
        parts: loss of centres, boxes and cover; `validation` is the average's total, if measured.
    """

    step: int
    steps: int
    pictures: int
    total: float
    parts: tuple[float, float, float]
    validation: float | None


class RunInvalid(Exception):
    """The folder of the run holds another run, or there is nothing to learn from."""


class Run:
    """A training run in a folder."""

    def __init__(
        self,
        folders: list[Folder],
        path: Path,
        recipe: Recipe,
        device: str = "",
        ahead: Callable[[Iterator[Batch]], Iterator[Batch]] = iter,
        start: Path | None = None,
    ) -> None:
        """Begin it, or go on with it.

        Args:
            ahead: gives the same batches, and may prepare the next while one is learned.
            start: a checkpoint whose average is learned on from; the recipe has its digest.

        Raises:
            RunInvalid: the folder holds the run of another recipe, or `start` is not the recipe's.
        """
        self._ahead = ahead
        self.recipe, self._path, self._folders = recipe, path, folders
        path.mkdir(parents=True, exist_ok=True)
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.manual_seed(recipe.seed)
        network = CentreNet(len(CLASSES))
        has_begun = (path / CHECKPOINT).exists()
        if recipe.start and not has_begun:
            network.load_state_dict(_start(start, recipe.start))
        self.network = network.to(self._device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).eval()
        self._optimiser = torch.optim.AdamW(_groups(self.network, recipe.decay), lr=recipe.rate)
        self.step = 0
        self._cache: dict[tuple[int, int], list[Sample]] = {}
        self._validation: dict[tuple[int, int], Sample] = {}
        if has_begun:
            self._load()

    def learn(self, until: Callable[[], bool] = lambda: False) -> Iterator[Report]:
        """Go on to the last step; stops early, with everything saved, when `until` says so.

        Raises:
            RunInvalid: there is no picture to learn from.
        """
        while self.step < self.recipe.steps and not until():
            self._look()
            if not self._cache:
                raise RunInvalid("there is no picture to learn from; render some first")
            end = min(
                self.recipe.steps,
                self.step - self.step % self.recipe.look_every + self.recipe.look_every,
            )
            last: Report | None = None
            for batch in self._ahead(self._batches(end)):
                report = self._learn(batch)
                last = report
                if until():
                    break
                if self.step < end:
                    yield report
            if last is not None:
                last = last._replace(validation=self._validate())
                self._note(last)
                yield last
            self._save()

    # -- private --------------------------------------------------------------------------------

    def _look(self) -> None:
        """Take in the pictures that have been rendered since."""
        size = (self.recipe.width_px, self.recipe.height_px)
        for number, folder in enumerate(self._folders):
            for index in folder.complete():
                key = (number, index)
                if key in self._cache or key in self._validation:
                    continue
                rendered = folder.get(index)
                if folder.is_measured(index):
                    self._validation[key] = take(rendered, (folder.seed, index, 0), size)
                else:
                    self._cache[key] = [
                        take(rendered, (folder.seed, index, variant), size)
                        for variant in range(self.recipe.variants)
                    ]

    def _batches(self, end: int) -> Iterator[Batch]:
        keys = sorted(self._cache)
        for step in range(self.step, end):
            rng = np.random.default_rng((self.recipe.seed, step))
            chosen = rng.choice(len(keys), self.recipe.batch, replace=len(keys) < self.recipe.batch)
            samples = [self._cache[keys[k]] for k in chosen]
            picked = [sample[rng.integers(len(sample))] for sample in samples]
            yield [example(varied(sample, rng)) for sample in picked]

    def _learn(self, batch: Batch) -> Report:
        recipe = self.recipe
        warm = min(1.0, (self.step + 1) / 200)
        rate = recipe.rate * warm * (0.5 + 0.5 * math.cos(math.pi * self.step / recipe.steps))
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self.network.train()
        pictures, truths = self._tensors(batch)
        with torch.autocast(self._device.type, torch.bfloat16):
            answer = self.network(pictures)
        parts = loss(answer, truths)
        self._optimiser.zero_grad(set_to_none=True)
        parts.total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self._optimiser.step()
        self.step += 1
        self._follow()
        shown = tuple(float(part.detach()) for part in parts)
        return Report(self.step, recipe.steps, len(self._cache), shown[0], shown[1:], None)  # type: ignore[arg-type]

    @torch.no_grad()
    def _follow(self) -> None:
        """Let the average follow; early on faster, so that it forgets the random beginning."""
        keep = min(self.recipe.averaged, (1 + self.step) / (10 + self.step))
        ours = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(ours[name], 1 - keep)
            else:
                value.copy_(ours[name])

    @torch.no_grad()
    def _validate(self) -> float:
        samples = list(self._validation.values())
        if not samples:
            return math.nan
        losses = []
        for start in range(0, len(samples), self.recipe.batch):
            batch = [example(sample) for sample in samples[start : start + self.recipe.batch]]
            pictures, truths = self._tensors(batch)
            losses.append(float(loss(self.average(pictures), truths).total) * len(batch))
        return sum(losses) / len(samples)

    def _tensors(self, batch: Batch) -> tuple[Tensor, Truths]:
        def stacked(arrays: list[Any]) -> Tensor:
            return torch.from_numpy(np.stack(arrays)).to(self._device)

        pictures = stacked([one.picture for one in batch]).contiguous(
            memory_format=torch.channels_last
        )
        truths = Truths(
            *(stacked(list(parts)) for parts in zip(*(one.target for one in batch), strict=True))
        )
        return pictures, truths

    def _note(self, report: Report) -> None:
        with (self._path / LOG).open("a") as log:
            log.write(json.dumps(report._asdict()) + "\n")

    def _save(self) -> None:
        state = {
            "recipe": asdict(self.recipe),
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }
        part = self._path / f".{CHECKPOINT}"
        torch.save(state, part)
        part.replace(self._path / CHECKPOINT)

    def _load(self) -> None:
        state = torch.load(self._path / CHECKPOINT, map_location=self._device, weights_only=True)
        was = Recipe(**state["recipe"])
        if was != self.recipe:
            raise RunInvalid(f"{self._path} holds a run of {was}; name another folder")
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]


def digest(checkpoint: Path) -> str:
    """What `Recipe.start` says of a checkpoint."""
    return hashlib.sha256(checkpoint.read_bytes()).hexdigest()


def _start(checkpoint: Path | None, wanted: str) -> dict[str, Tensor]:
    """The weights to learn on from; those of a run that has gone on since are others."""
    if checkpoint is None or not checkpoint.exists() or digest(checkpoint) != wanted:
        raise RunInvalid(f"{checkpoint} is not the checkpoint {wanted[:12]}… that the recipe names")
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    average: dict[str, Tensor] = state["average"]
    return average


def _groups(network: CentreNet, decay: float) -> list[dict[str, Any]]:
    """Weights decay, what normalises does not."""
    flat = [value for value in network.parameters() if value.ndim == 1]
    full = [value for value in network.parameters() if value.ndim > 1]
    return [{"params": full, "weight_decay": decay}, {"params": flat, "weight_decay": 0.0}]
