"""A training's batches, in the order and with the changes that seed, step and epoch decide."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from automl.data.dataset import Data
from automl.models.deployed import Inputs, predict, standardised
from automl.models.family import Network
from automl.training.augmentation import Augmentation
from automl.training.losses import BatchLoss
from automl.training.schedules import Schedule

MAX_DEVICE_BYTES = 1_000_000_000
MAX_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Plan:
    """Which rows come when: `share` is this rank's place and the number of ranks."""

    seed: int
    label: str
    epochs: int
    batch_size: Schedule
    full_batch: bool
    share: tuple[int, int]

    def of_epoch(self, epoch: int, count: int) -> Iterator[tuple[float, int, Tensor]]:
        """Progress, rows over all ranks, and the numbers of this rank's rows."""
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.label, epoch))
        order = torch.randperm(count, generator=generator)
        (rank, ranks), start = self.share, 0
        while start < count:
            progress = (epoch + start / count) / self.epochs
            size = count if self.full_batch else max(ranks, round(self.batch_size.at(progress)))
            # A last batch too small for batch statistics on every rank joins the one before.
            end = count if count - start - size < 2 * ranks else start + size
            yield progress, end - start, order[start:end][rank::ranks]
            start = end


@dataclass(frozen=True)
class Part:
    """Some rows of a batch. Under mixup `share` of each row is of `targets`, the rest of
    `others`."""

    inputs: Tensor
    targets: Tensor
    others: Tensor
    share: float
    taught: Tensor | None

    def loss(self, loss: BatchLoss, outputs: Any) -> Tensor:
        own = loss(outputs, self.targets, self.taught)
        if self.share == 1.0:
            return own
        return self.share * own + (1 - self.share) * loss(outputs, self.others, self.taught)

    def of(self, rows: Tensor) -> Part:
        """The same of some of its rows."""
        taught = None if self.taught is None else self.taught[rows]
        inputs, targets, others = self.inputs[rows], self.targets[rows], self.others[rows]
        return Part(inputs, targets, others, self.share, taught)


class Batches:
    """Training rows as a model sees them, with their targets and the teacher's outputs."""

    def __init__(
        self,
        data: Data,
        inputs: Inputs,
        augmentations: Sequence[Augmentation],
        mixup: float,
        device: str,
    ) -> None:
        self.inputs, self.augmentations, self.mixup = inputs.to(device), augmentations, mixup
        self.info, self.device = data.info, device
        raw = torch.from_numpy(data.train.inputs)
        self.raw = raw if raw.nbytes > MAX_DEVICE_BYTES else raw.to(device)
        targets = torch.from_numpy(data.train.targets)
        self.targets = standardised(targets, data.info).to(device)
        self.teacher: Network | None = None
        self.taught: Tensor | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def learn_from(self, teacher: Network) -> None:
        """Have a teacher's outputs with every batch, all at once where rows stay as they are."""
        self.teacher = teacher.to(self.device).eval()
        scaling = teacher.spec.model.scaling(self.info)
        self.teachers_inputs = Inputs(self.info, scaling).to(self.device)
        if not self.augmentations and not self.mixup:
            self.taught = predict(nn.Sequential(self.teachers_inputs, teacher), self.raw)

    def take(self, rows: Tensor, num_rows: int) -> Iterator[Part]:
        """A batch, of at most `num_rows` on each rank, in as many parts on all of them."""
        for part in torch.tensor_split(rows, math.ceil(num_rows / MAX_ROWS_AT_ONCE)):
            raw, targets = self._raw(part), self.targets[part.to(self.device)]
            mix, others = _Mix(), targets
            if self.mixup:
                share = torch.distributions.Beta(self.mixup, self.mixup).sample().item()
                mix = _Mix(share, torch.randperm(len(part)).to(self.device))
                others = targets[mix.partners]
            taught = self._taught(part, raw, mix)
            yield Part(mix(self.inputs(raw)), targets, others, mix.share, taught)

    def _raw(self, rows: Tensor) -> Tensor:
        raw = self.raw[rows.to(self.raw.device)].to(self.device)
        if self.augmentations:
            raw = raw.float().reshape(-1, *self.info.input_shape)
            for augmentation in self.augmentations:
                raw = augmentation(raw)
        return raw

    def _taught(self, rows: Tensor, raw: Tensor, mix: _Mix) -> Tensor | None:
        if self.taught is not None:
            return self.taught[rows.to(self.device)]
        if self.teacher is None:
            return None
        with torch.no_grad():
            taught: Tensor = self.teacher(mix(self.teachers_inputs(raw)))
        return taught


@dataclass(frozen=True)
class _Mix:
    """Each row with a share of its partner in it, as mixup draws them."""

    share: float = 1.0
    partners: Tensor | None = None

    def __call__(self, inputs: Tensor) -> Tensor:
        if self.partners is None:
            return inputs
        return self.share * inputs + (1 - self.share) * inputs[self.partners]


def epoch_seed(seed: int, *parts: object) -> int:
    """The seed of an epoch's random numbers."""
    digest = hashlib.sha256(json.dumps([seed, *parts]).encode()).digest()
    return int.from_bytes(digest[:7], "big")
