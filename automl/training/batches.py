"""Batches of a training: their order and the changes of their rows follow from the seed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from automl.data.dataset import Data
from automl.models.deployed import Inputs, answers, standardised
from automl.models.family import Network
from automl.training.augmentation import Augmentation
from automl.training.feed import Feed, Planned, moved
from automl.training.losses import BatchLoss, Outputs
from automl.training.schedules import Schedule

MAX_ROWS_AT_ONCE = 4096
MAX_NUMBERS_AT_ONCE = 2**28
"""The most of a batch that is prepared at once, in rows and in numbers: 1 GiB of fp32."""


@dataclass(frozen=True)
class Plan:
    """The order in which rows are learned from.

    `share` is this rank's number and the number of ranks. Below a `row_share` of 1 only so many of
    the rows are learned from, the same in each epoch.
    """

    seed: int
    label: str
    epochs: int
    batch_size: Schedule
    full_batch: bool
    share: tuple[int, int]
    row_share: float = 1.0

    def of_epoch(self, epoch: int, count: int) -> Iterator[tuple[float, int, Tensor]]:
        """Each batch of an epoch of `count` rows.

        A batch is the progress in [0, 1), the number of its rows over all ranks, and the numbers
        of this rank's rows (rows,).
        """
        rows = self._rows(count)
        count = len(rows)
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.label, epoch))
        order = rows[torch.randperm(count, generator=generator)]
        (rank, ranks), start = self.share, 0
        while start < count:
            progress = (epoch + start / count) / self.epochs
            size = count if self.full_batch else max(ranks, round(self.batch_size.at(progress)))
            # A last batch too small for batch statistics on every rank joins the one before.
            end = count if count - start - size < 2 * ranks else start + size
            yield progress, end - start, order[start:end][rank::ranks]
            start = end

    def _rows(self, count: int) -> Tensor:
        """The numbers of the rows to learn from, of `count`: (rows,)."""
        if self.row_share == 1:
            return torch.arange(count)
        generator = torch.Generator().manual_seed(epoch_seed(self.seed, self.label, "rows"))
        least = min(count, 2 * self.share[1])
        return torch.randperm(count, generator=generator)[
            : max(least, round(self.row_share * count))
        ]


@dataclass(frozen=True)
class Part:
    """Some rows of a batch: `inputs` (rows, *input shape) and `targets` (rows,) or (rows, outputs).

    Under mixup `share` of each row belongs to `targets`, the rest to `others`, of the same shape.
    `taught` are the teacher's outputs (rows, outputs), if there is a teacher.
    """

    inputs: Tensor
    targets: Tensor
    others: Tensor
    share: float
    taught: Tensor | None

    def loss(self, loss: BatchLoss, outputs: Outputs) -> Tensor:
        """The sum of a loss over the rows, a scalar, given the outputs (rows, outputs)."""
        own = loss(outputs, self.targets, self.taught)
        if self.share == 1.0:
            return own
        return self.share * own + (1 - self.share) * loss(outputs, self.others, self.taught)

    def of(self, rows: Tensor) -> Part:
        """The part that holds only those rows (rows,) of this part."""
        taught = None if self.taught is None else self.taught[rows]
        inputs, targets, others = self.inputs[rows], self.targets[rows], self.others[rows]
        return Part(inputs, targets, others, self.share, taught)


class Batches:
    """Training rows as a model reads them, with their targets and the teacher's outputs."""

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
        self.feed = Feed(data.train, device)
        targets = torch.from_numpy(data.train.targets)
        self.targets = standardised(targets, data.info).to(device)
        self.teacher: Network | None = None
        self.taught: Tensor | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def num_parts(self, num_rows: int) -> int:
        """The number of parts into which a batch of so many rows is cut."""
        row = max(1, math.prod(self.info.input_shape))
        return math.ceil(num_rows / max(2, min(MAX_ROWS_AT_ONCE, MAX_NUMBERS_AT_ONCE // row)))

    def learn_from(self, teacher: Network, all_at_once: bool = True) -> None:
        """Add a teacher's outputs to every batch.

        Where rows are never changed, and all are learned from, all outputs are computed at once
        here.
        """
        self.teacher = teacher.to(self.device).eval()
        scaling = teacher.spec.model.scaling(self.info)
        self.teachers_inputs = Inputs(self.info, scaling).to(self.device)
        if all_at_once and not self.augmentations and not self.mixup:
            self.taught = self.feed.answers(nn.Sequential(self.teachers_inputs, teacher))

    def ahead(self, planned: Iterator[Planned]) -> Iterator[Planned]:
        """The same batches in their order; rows to come are gathered meanwhile, where they are far.

        `take` knows them by the very tensor of row numbers.
        """
        return self.feed.ahead(planned)

    def take(self, rows: Tensor, num_rows: int) -> Iterator[Part]:
        """A batch of these rows (rows,), in `num_parts` parts.

        `num_rows` is the most that a rank has of the batch: all ranks cut into as many parts.
        """
        number = self.num_parts(num_rows)
        for part, raw in zip(torch.tensor_split(rows, number), self.feed.parts(rows, number)):
            part, raw = moved(part, self.device), self._augmented(raw)
            targets = self.targets[part]
            mix, others = _Mix(), targets
            if self.mixup:
                share = torch.distributions.Beta(self.mixup, self.mixup).sample().item()
                mix = _Mix(share, moved(torch.randperm(len(part)), self.device))
                others = targets[mix.partners]
            taught = self._taught(part, raw, mix)
            yield Part(mix(self.inputs(raw)), targets, others, mix.share, taught)

    def _augmented(self, raw: Tensor) -> Tensor:
        if self.augmentations:
            raw = raw.float().reshape(-1, *self.info.input_shape)
            for augmentation in self.augmentations:
                raw = augmentation(raw)
        return raw

    def _taught(self, rows: Tensor, raw: Tensor, mix: _Mix) -> Tensor | None:
        if self.taught is not None:
            return self.taught[rows]
        if self.teacher is None:
            return None
        with torch.no_grad():
            taught, _ = answers(self.teacher, mix(self.teachers_inputs(raw)), len(raw))
        return taught


@dataclass(frozen=True)
class _Mix:
    """Mixup of each row with its partner: (rows, *input shape) in and out."""

    share: float = 1.0
    partners: Tensor | None = None

    def __call__(self, inputs: Tensor) -> Tensor:
        if self.partners is None:
            return inputs
        return self.share * inputs + (1 - self.share) * inputs[self.partners]


def epoch_seed(seed: int, *parts: object) -> int:
    """A seed for random numbers that follows from the search's and the parts, e.g. an epoch."""
    digest = hashlib.sha256(json.dumps([seed, *parts]).encode()).digest()
    return int.from_bytes(digest[:7], "big")
