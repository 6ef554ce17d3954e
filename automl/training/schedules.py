"""Schedules of a number over a training, as values: progress in [0, 1) to number, no state."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from automl.config import Config
from automl.errors import UserError
from automl.field_types import Between0And1, Count, From0Below1, Positive


class Schedule(Config):
    """Base of a learning rate, a batch size or a mixup over the course of a training."""

    def at(self, progress: float) -> float:
        """The number when a share `progress` in [0, 1) of the training is done."""
        raise NotImplementedError


@dataclass(frozen=True)
class Fixed(Schedule):
    """The same number throughout."""

    value: float

    def at(self, progress: float) -> float:
        return self.value


@dataclass(frozen=True)
class Ramp(Schedule):
    """A straight course from `initial` to `final`."""

    initial: float
    final: float

    def at(self, progress: float) -> float:
        return self.initial + (self.final - self.initial) * progress


@dataclass(frozen=True)
class Exponential(Schedule):
    """A smooth course from `initial` to `initial` times `factor`: below 1 decay, above 1 growth."""

    initial: float
    factor: Positive = 0.01

    def at(self, progress: float) -> float:
        return float(self.initial * self.factor**progress)


@dataclass(frozen=True)
class Staircase(Schedule):
    """A course of `stairs` equal parts: `initial` in the first, then each time times `factor`."""

    initial: float
    factor: Positive = 2.0
    stairs: Count = 3

    def at(self, progress: float) -> float:
        return float(self.initial * self.factor ** math.floor(progress * self.stairs))


@dataclass(frozen=True)
class Random(Schedule):
    """A random number for each of `intervals` equal parts, uniform in its logarithm.

    A single interval has the same number throughout; search `seed` to have another each trial.
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
    """A fall from `peak` to `final` along half a cosine. https://arxiv.org/abs/1608.03983"""

    peak: float
    final: float = 0.0

    def at(self, progress: float) -> float:
        return self.final + (self.peak - self.final) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class OneCycle(Schedule):
    """A rise to `peak` for a share `rise` of the way, then a fall to almost nothing: two cosines.

    The start is peak / 25, the end the start / 10,000. https://arxiv.org/abs/1708.07120
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
    """A linear rise over `share` of the way to the start of `schedule`, and then all of that."""

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
