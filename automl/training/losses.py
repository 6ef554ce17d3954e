"""Losses of a training step; distillation is one of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from automl.config import Config, UserError
from automl.data.dataset import About

BatchLoss: TypeAlias = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class Loss(Config):
    """A loss over a batch. `teacher` names the earlier step whose model teaches, if any."""

    teacher: str = ""

    def check(self, about: About) -> None:
        """Raise UserError when the loss does not suit such data."""

    def build(self, about: About, device: str) -> BatchLoss:
        """The loss for a dataset."""
        return self

    def __call__(self, outputs: Tensor, targets: Tensor, taught: Tensor | None) -> Tensor:
        """The sum over the batch; `taught` are the teacher's outputs on the same rows.

        Targets are class numbers, or (rows, outputs) of mean 0 and deviation 1.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """`balanced` weighs each class by the inverse of how often it appears, 1 on average."""

    label_smoothing: float = 0.0
    balanced: bool = False

    def check_ranges(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise UserError(f"{self}: label_smoothing must be at least 0 and below 1")

    def check(self, about: About) -> None:
        if not about.classes:
            raise UserError("CrossEntropy needs classes; for a regression use MeanSquaredError()")

    def build(self, about: About, device: str) -> BatchLoss:
        if not self.balanced:
            return self
        counts = torch.tensor(about.class_counts)
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
    def check(self, about: About) -> None:
        if about.classes:
            raise UserError("MeanSquaredError needs numbers; for classes use CrossEntropy()")

    def __call__(self, outputs: Tensor, targets: Tensor, taught: Tensor | None) -> Tensor:
        return ((outputs - targets) ** 2).mean(1).sum()


@dataclass(frozen=True)
class Distill(Loss):
    """Learn from a teacher's answers, softened by `temperature`, and for the rest from the
    labels; in a regression from its numbers.

    `weight` is the teacher's share. https://arxiv.org/abs/1503.02531
    """

    teacher: str = "train"
    temperature: float = 4.0
    weight: float = 0.7

    def check_ranges(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise UserError(f"{self}: temperature must be above 0")
        if not 0 <= self.weight <= 1:
            raise UserError(f"{self}: weight must be from 0 to 1")

    def __call__(self, outputs: Tensor, targets: Tensor, taught: Tensor | None) -> Tensor:
        assert taught is not None
        if targets.is_floating_point():
            soft = MeanSquaredError()(outputs, taught, None)
            hard = MeanSquaredError()(outputs, targets, None)
            return self.weight * soft + (1 - self.weight) * hard
        soft = F.kl_div(
            F.log_softmax(outputs / self.temperature, dim=1),
            torch.log_softmax(taught / self.temperature, dim=1),
            reduction="sum",
            log_target=True,
        )
        hard = F.cross_entropy(outputs, targets, reduction="sum")
        return self.weight * self.temperature**2 * soft + (1 - self.weight) * hard


def usual(about: About) -> Loss:
    """The loss of a task when a step names none."""
    return CrossEntropy() if about.classes else MeanSquaredError()
