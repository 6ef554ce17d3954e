"""Batches of a training: their order and the changes of their rows follow from the seed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from automl.data.dataset import Data
from automl.models.deployed import Inputs, answers, standardised
from automl.models.family import ModelFamily, Network
from automl.training.augmentation import Augmentation
from automl.training.feed import Feed, Planned, moved
from automl.training.losses import BatchLoss, Outputs
from automl.training.mixing import Mix, Mixing, mixup
from automl.training.schedules import Fixed, Schedule

Ask: TypeAlias = Callable[[nn.Module, Tensor], Outputs]
"""Takes a network and its inputs (rows, *input shape), and gives its outputs as fp32."""

NO_MIXUP = Fixed(0.0)
MAX_ROWS_AT_ONCE = 4096
MAX_NUMBERS_AT_ONCE = 2**28
"""The most of a batch that is prepared at once, in rows and in numbers: 1 GiB of fp32."""


@dataclass(frozen=True)
class Plan:
    """The order in which rows are learned from.

    `share` is this rank's number and the number of ranks. Below a `row_share` of 1 only so many of
    the rows are learned from, the same in each epoch. A rank has `least_rows` of a batch or more.
    """

    seed: int
    label: str
    epochs: int
    batch_size: Schedule
    full_batch: bool
    share: tuple[int, int]
    row_share: float = 1.0
    least_rows: int = 1

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
            size = count if self.full_batch else self.size(progress)
            # A last batch too small for batch statistics on every rank joins the one before.
            end = count if count - start - size < 2 * ranks else start + size
            yield progress, end - start, order[start:end][rank::ranks]
            start = end

    def size(self, progress: float) -> int:
        """The number of rows of a batch over all ranks, but for the last of an epoch."""
        return max(self.least_rows * self.share[1], round(self.batch_size.at(progress)))

    def num_batches(self, epochs: int, count: int) -> int:
        """About how many batches the first epochs of `count` rows have."""
        if self.full_batch:
            return epochs
        sizes = (self.size((i + 0.5) / self.epochs) for i in range(epochs))
        return round(sum(max(1.0, self.row_share * count / size) for size in sizes))

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

    Where rows are mixed, `share` of each belongs to `targets`, the rest to `others`, of the same
    shape.
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
    """Training rows and targets as a family's model reads them, with the teacher's outputs."""

    def __init__(
        self,
        data: Data,
        family: ModelFamily,
        augmentations: Sequence[Augmentation],
        mixup: Schedule,
        device: str,
    ) -> None:
        self.inputs = Inputs(data.info, family).to(device)
        self.augmentations, self.mixup = augmentations, mixup
        self.changes_rows = bool(augmentations) or mixup != NO_MIXUP
        self.info, self.device = data.info, device
        self.feed = Feed(data.train, device)
        targets = torch.from_numpy(data.train.targets)
        self.targets = standardised(targets, data.info, family).to(device)
        self.teacher: nn.Module | None = None
        self.taught: Tensor | None = None
        self.most_asked = MAX_ROWS_AT_ONCE
        """The most rows that the teacher answers at once: fewer once more did not fit."""

    def __len__(self) -> int:
        return len(self.targets)

    def num_parts(self, num_rows: int) -> int:
        """The number of parts into which a batch of so many rows is cut."""
        row = max(1, math.prod(self.inputs.seen_shape))
        return math.ceil(num_rows / max(2, min(MAX_ROWS_AT_ONCE, MAX_NUMBERS_AT_ONCE // row)))

    def are_whole(self, plan: Plan) -> bool:
        """True where no batch of a plan is cut into parts, given that all epochs are alike."""
        each, ranks = plan.of_epoch(0, len(self)), plan.share[1]
        return all(self.num_parts(math.ceil(size / ranks)) == 1 for _, size, _ in each)

    def learn_from(self, teacher: Network, ask: Ask, all_at_once: bool = True) -> None:
        """Add a teacher's outputs to every batch, as `ask` has a network give them.

        Where rows are never changed, and all are learned from, all outputs are computed at once
        here.
        """
        self.teacher = _Asked(teacher.to(self.device), ask).eval()
        self.teachers_inputs = Inputs(self.info, teacher.spec.model).to(self.device)
        if all_at_once and not self.changes_rows:
            self.taught = self.feed.answers(nn.Sequential(self.teachers_inputs, self.teacher))

    def ahead(self, planned: Iterator[Planned]) -> Iterator[Planned]:
        """The same batches in their order; rows to come are gathered meanwhile, where they are far.

        `take` knows them by the very tensor of row numbers.
        """
        return self.feed.ahead(planned)

    def take(self, rows: Tensor, num_rows: int, progress: float = 0.0) -> Iterator[Part]:
        """A batch of these rows (rows,), in `num_parts` parts, at a `progress` of the training.

        `num_rows` is the most that a rank has of the batch: all ranks cut into as many parts.
        """
        number = self.num_parts(num_rows)
        for part, raw in zip(torch.tensor_split(rows, number), self.feed.parts(rows, number)):
            part, raw = moved(part, self.device), self._augmented(raw)
            targets = self.targets[part]
            mix = self._mix(len(part), progress)
            others = targets if mix.partners is None else targets[mix.partners]
            taught = self._taught(part, raw, mix)
            yield Part(mix(self.inputs(raw)), targets, others, mix.share, taught)

    def _mix(self, num_rows: int, progress: float) -> Mix:
        for augmentation in self.augmentations:
            if isinstance(augmentation, Mixing):
                mix = augmentation.mix(num_rows, self.info.input_shape[1:], self.device)
                if mix is not None:
                    return mix
        return mixup(self.mixup.at(progress), num_rows, self.device)

    def _augmented(self, raw: Tensor) -> Tensor:
        if self.augmentations:
            raw = raw.float().reshape(-1, *self.info.input_shape)
            for augmentation in self.augmentations:
                raw = augmentation(raw)
        return raw

    def _taught(self, rows: Tensor, raw: Tensor, mix: Mix) -> Tensor | None:
        if self.taught is not None:
            return self.taught[rows]
        if self.teacher is None:
            return None
        first = min(self.most_asked, len(raw))
        with torch.no_grad():
            taught, num_rows = answers(self.teacher, mix(self.teachers_inputs(raw)), first)
        if num_rows < first:
            self.most_asked = num_rows
        return taught


class _Asked(nn.Module):
    """A network that answers inputs (rows, *input shape) in the way in which it is asked."""

    def __init__(self, network: Network, ask: Ask) -> None:
        super().__init__()
        self.network, self.ask = network, ask

    def forward(self, inputs: Tensor) -> Tensor:
        outputs = self.ask(self.network, inputs)
        assert isinstance(outputs, Tensor)
        return outputs


def epoch_seed(seed: int, *parts: object) -> int:
    """A seed for random numbers that follows from the search's and the parts, e.g. an epoch."""
    digest = hashlib.sha256(json.dumps([seed, *parts]).encode()).digest()
    return int.from_bytes(digest[:7], "big")
