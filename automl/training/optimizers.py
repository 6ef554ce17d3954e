"""Optimizers: thin frozen configs over torch's own; the learning rate is the schedule's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from automl.config import Config


class Optimizer(Config):
    """Builds a torch optimizer; subclass it to add one."""

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        raise NotImplementedError


@dataclass(frozen=True)
class SGD(Optimizer):
    momentum: float = 0.9
    weight_decay: float = 0.0
    nesterov: bool = False

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(
            parameters,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            nesterov=self.nesterov,
        )


@dataclass(frozen=True)
class AdamW(Optimizer):
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.01

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            parameters, betas=(self.beta1, self.beta2), weight_decay=self.weight_decay
        )
