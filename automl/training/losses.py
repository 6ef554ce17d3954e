"""Losses of a training step; `distillation.py` has those in which other networks teach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl.config import Config
from automl.data.dataset import DatasetInfo
from automl.errors import UserError
from automl.field_types import From0Below1
from automl.models.family import Network
from automl.recipe import Sibling

Outputs: TypeAlias = Tensor | tuple[Tensor, ...]
"""What is trained answers with (rows, outputs), or with several tensors for a loss that asks so."""
BatchLoss: TypeAlias = Callable[[Any, Tensor, Tensor | None], Tensor]
"""The sum over the rows of a batch, a scalar; each loss reads the outputs that it asked for."""
FEW_ROWS = 8
"""Rows made up to see that a loss adds up over them."""


class Loss(Config):
    """Base of the losses. Called with outputs, targets and `taught`, a loss gives the sum over a
    batch's rows; a mean would learn the less the larger the batch is.

    `teacher` is the label of an earlier step, or a sibling, where one teaches.
    """

    teacher: str | Sibling = ""

    def check(self, info: DatasetInfo) -> None:
        """Raise UserError when the loss does not suit such data."""

    @property
    def technique(self) -> str:
        """The name under which ablation leaves the loss out; "" where it has no such name."""
        if isinstance(self.teacher, Sibling):
            return "sibling teacher"
        return "teaching" if self.teacher else ""

    def work_beside(self) -> float:
        """An estimate of the work of what learns beside the network, in shares of the network's.

        A loss that has a module `around` the network and says no more trains one as large.
        """
        return 0.0 if type(self).around is Loss.around else 1.0

    def around(self, model: Network, info: DatasetInfo) -> nn.Module:
        """The module that is trained and checkpointed, which is called like the model.

        It is the model, or holds it and what else learns beside it. Raises Rejected where there
        can be none.
        """
        return model

    def build(self, info: DatasetInfo, device: str) -> BatchLoss:
        """The loss for a dataset."""
        return self

    def __call__(self, outputs: Any, targets: Tensor, taught: Tensor | None) -> Tensor:
        """The sum over the batch's rows, a scalar.

        `outputs` are what the module `around` the model gives: (rows, outputs) for the model
        alone. Targets are class numbers (rows,), or (rows, outputs) of mean 0 and deviation 1;
        for a module of a regression that came trained, in their own units.
        `taught` are the teacher's outputs (rows, outputs), where one teaches.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy of classes.

    `balanced` weighs each class by the inverse of its frequency, 1 on average.
    """

    label_smoothing: From0Below1 = 0.0
    balanced: bool = False

    def check(self, info: DatasetInfo) -> None:
        if not info.classes:
            raise UserError(
                "CrossEntropy needs classes; for a regression use MeanSquaredError(), and if the "
                "numbers to predict are classes, say so: Table(task='classification')"
            )

    def build(self, info: DatasetInfo, device: str) -> BatchLoss:
        if not self.balanced:
            return self
        counts = torch.tensor(info.class_counts)
        return partial(self._sum, weights=(counts.sum() / len(counts) / counts).to(device))

    def __call__(self, outputs: Tensor, targets: Tensor, taught: Tensor | None) -> Tensor:
        return self._sum(outputs, targets, taught)

    def _sum(
        self,
        outputs: Tensor,
        targets: Tensor,
        taught: Tensor | None,
        weights: Tensor | None = None,
    ) -> Tensor:
        smoothing = self.label_smoothing
        return F.cross_entropy(
            outputs, targets, weights, reduction="sum", label_smoothing=smoothing
        )


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """Squared errors averaged over the outputs of a regression."""

    def check(self, info: DatasetInfo) -> None:
        if info.classes:
            raise UserError(
                "MeanSquaredError needs numbers; for classes use CrossEntropy(), and if the "
                "classes are numbers to predict, say so: Table(task='regression')"
            )

    def __call__(self, outputs: Tensor, targets: Tensor, taught: Tensor | None) -> Tensor:
        return ((outputs - targets) ** 2).mean(1).sum()


def check_adds_up(loss: Loss, info: DatasetInfo) -> None:
    """Raise UserError at a loss that is a mean over rows: as large for a batch as for it twice."""
    if type(loss).around is not Loss.around:
        return
    generator = torch.Generator().manual_seed(0)
    outputs, taught, targets = torch.randn(3, FEW_ROWS, info.num_outputs, generator=generator)
    if info.classes:
        targets = torch.arange(FEW_ROWS) % info.num_outputs
    once = taught if loss.teacher else None
    twice = None if once is None else torch.cat([once, once])
    try:
        asked = loss.build(info, "cpu")
        one = float(asked(outputs, targets, once))
        two = float(asked(torch.cat([outputs, outputs]), torch.cat([targets, targets]), twice))
    except Exception:  # a user's loss may take only such answers as its data have
        return
    if one and abs(two - one) < abs(two - 2 * one):
        raise UserError(
            f"the loss {type(loss).__name__} is a mean over rows: {one:.3g} of a batch and "
            f"{two:.3g} of the batch twice over; give the sum over the rows, "
            "e.g. reduction='sum' or .sum()"
        )


def usual(info: DatasetInfo) -> Loss:
    """The loss of a task where a step names none."""
    return CrossEntropy() if info.classes else MeanSquaredError()
