"""Losses of a training step; `distill.py` has those in which other networks teach."""

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

BatchLoss: TypeAlias = Callable[[Any, Tensor, Tensor | None], Tensor]


class Loss(Config):
    """A loss over a batch. `teacher` is who teaches, if anyone: an earlier step, by its label,
    or a sibling."""

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
        """What is trained and checkpointed: the model, or a module that holds it and what else
        learns beside it. It is called like the model. Raises Rejected where there is none."""
        return model

    def build(self, info: DatasetInfo, device: str) -> BatchLoss:
        """The loss for a dataset."""
        return self

    def __call__(self, outputs: Any, targets: Tensor, taught: Tensor | None) -> Tensor:
        """The sum over the batch, given what the module `around` the model gives and the
        teacher's outputs on the same rows.

        Targets are class numbers, or (rows, outputs) of mean 0 and deviation 1.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """`balanced` weighs each class by the inverse of how often it appears, 1 on average."""

    label_smoothing: From0Below1 = 0.0
    balanced: bool = False

    def check(self, info: DatasetInfo) -> None:
        if not info.classes:
            raise UserError("CrossEntropy needs classes; for a regression use MeanSquaredError()")

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
    def check(self, info: DatasetInfo) -> None:
        if info.classes:
            raise UserError("MeanSquaredError needs numbers; for classes use CrossEntropy()")

    def __call__(self, outputs: Tensor, targets: Tensor, taught: Tensor | None) -> Tensor:
        return ((outputs - targets) ** 2).mean(1).sum()


def usual(info: DatasetInfo) -> Loss:
    """The loss of a task when a step names none."""
    return CrossEntropy() if info.classes else MeanSquaredError()
