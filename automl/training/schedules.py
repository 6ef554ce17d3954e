"""Schedules of a number over a training, as values: progress in [0, 1) to number, no state."""

from __future__ import annotations

import math
from dataclasses import dataclass

from automl.config import Config


class Schedule(Config):
    """A learning rate or a batch size over the share of the training that is done."""

    def at(self, progress: float) -> float:
        raise NotImplementedError


@dataclass(frozen=True)
class Fixed(Schedule):
    value: float

    def at(self, progress: float) -> float:
        return self.value


@dataclass(frozen=True)
class Cosine(Schedule):
    """From `peak` to `final` along half a cosine, after a linear rise over `warmup` of the way.

    https://arxiv.org/abs/1608.03983
    """

    peak: float
    warmup: float = 0.1
    final: float = 0.0

    def at(self, progress: float) -> float:
        if progress < self.warmup:
            return self.peak * (progress + 1e-3) / (self.warmup + 1e-3)
        share = (progress - self.warmup) / (1 - self.warmup)
        return self.final + (self.peak - self.final) * (1 + math.cos(math.pi * share)) / 2


@dataclass(frozen=True)
class Staircase(Schedule):
    """From `initial`, times `factor` at each of `stairs` equal parts but the first."""

    initial: float
    factor: float = 2.0
    stairs: int = 3

    def at(self, progress: float) -> float:
        return float(self.initial * self.factor ** math.floor(progress * self.stairs))
