"""Losses of a training step; distillation is one of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from automl.config import Config


class Loss(Config):
    """A loss over a batch. `teacher` names the earlier step whose model teaches, if any."""

    teacher: str = ""

    def __call__(self, logits: Tensor, targets: Tensor, taught: Tensor | None) -> Tensor:
        """The sum over the batch; `taught` are the teacher's logits on the same rows."""
        raise NotImplementedError


@dataclass(frozen=True)
class CrossEntropy(Loss):
    label_smoothing: float = 0.0

    def __call__(self, logits: Tensor, targets: Tensor, taught: Tensor | None) -> Tensor:
        smoothing = self.label_smoothing
        return F.cross_entropy(logits, targets, reduction="sum", label_smoothing=smoothing)


@dataclass(frozen=True)
class Distill(Loss):
    """Learn from a teacher's softened answers, and for the rest from the labels.

    `weight` is the teacher's share. https://arxiv.org/abs/1503.02531
    """

    teacher: str = "train"
    temperature: float = 4.0
    weight: float = 0.7

    def __call__(self, logits: Tensor, targets: Tensor, taught: Tensor | None) -> Tensor:
        assert taught is not None
        soft = F.kl_div(
            F.log_softmax(logits / self.temperature, dim=1),
            torch.log_softmax(taught / self.temperature, dim=1),
            reduction="sum",
            log_target=True,
        )
        hard = F.cross_entropy(logits, targets, reduction="sum")
        return self.weight * self.temperature**2 * soft + (1 - self.weight) * hard
