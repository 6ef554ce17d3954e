"""Schedules of a number over a training, as values: progress in [0, 1) to number, no state."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from automl.config import Config
from automl.errors import UserError
from automl.field_types import Between0And1, Count, From0Below1, Positive


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
class Exponential(Schedule):
    """From `initial`, smoothly, to `initial` times `factor`: below 1 decay, above 1 growth."""

    initial: float
    factor: Positive = 0.01

    def at(self, progress: float) -> float:
        return float(self.initial * self.factor**progress)


@dataclass(frozen=True)
class Staircase(Schedule):
    """From `initial`, times `factor` at each of `stairs` equal parts but the first."""

    initial: float
    factor: Positive = 2.0
    stairs: Count = 3

    def at(self, progress: float) -> float:
        return float(self.initial * self.factor ** math.floor(progress * self.stairs))


@dataclass(frozen=True)
class Random(Schedule):
    """A number of its own for each of `intervals` equal parts, even in its logarithm.

    With one interval it is one number for the run; search `seed` to have another each run.
    """

    low: float
    high: float
    intervals: Count = 1
    seed: int = 0

    def at(self, progress: float) -> float:
        interval = math.floor(progress * self.intervals)
        share = random.Random(f"{self.seed} {interval}").random()
        return float(self.low * (self.high / self.low) ** share)

    def check_ranges(self) -> None:
        if not 0 < self.low <= self.high < math.inf:
            raise UserError(f"{self}: low must be above 0, and high not below it")


@dataclass(frozen=True)
class Cosine(Schedule):
    """From `peak` to `final` along half a cosine. https://arxiv.org/abs/1608.03983"""

    peak: float
    final: float = 0.0

    def at(self, progress: float) -> float:
        return self.final + (self.peak - self.final) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Up to `peak` for a share `rise` of the way, then down to next to nothing, along cosines.

    It starts at peak / 25 and ends at that / 10,000. https://arxiv.org/abs/1708.07120
    """

    peak: float
    rise: Between0And1 = 0.3

    def at(self, progress: float) -> float:
        start = self.peak / 25
        if progress < self.rise:
            return Cosine(start, self.peak).at(progress / self.rise)
        return Cosine(self.peak, start / 1e4).at((progress - self.rise) / (1 - self.rise))


@dataclass(frozen=True)
class Warmup(Schedule):
    """A linear rise over `share` of the way to where `schedule` starts, and then all of it."""

    schedule: Schedule
    share: From0Below1 = 0.1

    def at(self, progress: float) -> float:
        if progress < self.share:
            return self.schedule.at(0.0) * (progress + 1e-3) / (self.share + 1e-3)
        return self.schedule.at((progress - self.share) / (1 - self.share))


@dataclass(frozen=True)
class Clipped(Schedule):
    """`schedule`, held between `low` and `high`."""

    schedule: Schedule
    low: float
    high: float

    def at(self, progress: float) -> float:
        return min(self.high, max(self.low, self.schedule.at(progress)))

    def check_ranges(self) -> None:
        if not self.low <= self.high:
            raise UserError(f"{self}: low is above high; swap them")
