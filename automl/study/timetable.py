"""The timetable of a search whose time is limited: what each trial may take of it."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import median

from automl.study.budget import Clock, GpuMeter
from automl.trial.result import TrialResult
from automl.trial.time_limit import Countdown, TimeLimit

TRIALS_EACH = 5
"""A trial takes no more than this part of the time, so that a first model is there by then."""
FINISHING_SHARE, MOST_FINISHING_SECONDS = 0.05, 30.0
"""What export, gate and measuring are taken to need until some trial has shown it: a share of the
time, and the most."""
LATEST = 5
"""The latest trials that show what finishing takes."""
GRACE = 2.0
"""When time is up, trials may take so many times what finishing usually takes."""


class Timetable:
    """The time that is left to a search, and what of it each trial may take.

    Without `--minutes` and `--gpu-hours` no trial is limited. `gpus` are those of a trial.
    """

    def __init__(self, clock: Clock, meter: GpuMeter, gpus: float = 0.0) -> None:
        self.clock, self.meter, self.gpus = clock, meter, gpus
        self.whole: float | None = None
        self.took: list[float] = []
        self.finishing: list[float] = []

    @property
    def is_limited(self) -> bool:
        return self.seconds_left(1) < math.inf

    def seconds_left(self, slots: int) -> float:
        """The seconds that are left for trials, with so many of them at work."""
        hours, gpus = self.clock.budget.gpu_hours, self.gpus * slots
        by_gpus = math.inf
        if hours is not None and gpus:
            by_gpus = (hours * 3600 - self.meter.seconds()) / gpus
        return min(self.clock.search_seconds_left(), by_gpus)

    def limit(self, slots: int, trials_left: float) -> TimeLimit | None:
        """The time of the next trial, if time is limited; `trials_left` are still to be started."""
        left = self.seconds_left(slots)
        if left == math.inf:
            return None
        if self.whole is None:
            self.whole = left
        rounds = max(1.0, trials_left / slots)
        return self._limit(left, max(self.whole / TRIALS_EACH, left / rounds))

    def training_seconds(self) -> float:
        """The seconds that a trial has for its trainings; infinite where time is not limited."""
        if self.whole is None:
            return math.inf
        return self.whole / TRIALS_EACH - self._finishing_seconds()

    def refit_limit(self, seconds_left: float, seconds_of_trial: float, rounds: int) -> TimeLimit:
        """The time of a refit, of those that are left, when `rounds` of them are due."""
        fair = max(seconds_left / max(1, rounds), 2 * seconds_of_trial)
        return replace(self._limit(seconds_left, fair), takes_stored=False)

    def expected_seconds(self, slots: int, trials_left: float) -> float:
        """The seconds until the budget is spent, by what trials took so far; infinite while that
        is not known."""
        by_trials = sum(self.took) / len(self.took) * trials_left / slots if self.took else math.inf
        return max(0.0, min(self.seconds_left(slots), by_trials))

    def is_worth_starting(self, slots: int) -> bool:
        """Tell whether there is time for another trial, by what others took."""
        return self.seconds_left(slots) > self._finishing_seconds() + self._least_seconds()

    def is_finishing(self, slots: int) -> bool:
        """Tell whether time was up a moment ago: trials that were cut off need some more."""
        left = self.seconds_left(slots)
        return -self.grace_seconds() < left <= 0

    def grace_seconds(self) -> float:
        """The seconds that trials may need once time is up; none where it is not limited."""
        return GRACE * self._finishing_seconds() if self.is_limited else 0.0

    def learn(self, result: TrialResult) -> None:
        """Learn from a trial of this run how long trials take, and what of that is not training."""
        if result.is_complete:
            self.took.append(result.seconds)
            stages = sum(result.stages.values()) - result.stages.get("export", 0.0)
            self.finishing.append(max(0.0, result.seconds - stages))

    def _limit(self, left: float, fair: float) -> TimeLimit:
        finishing = self._finishing_seconds()
        return TimeLimit(Countdown(left - finishing), fair, finishing, self._least_seconds())

    def _least_seconds(self) -> float:
        return median(self.took) / 2 if self.took else 0.0

    def _finishing_seconds(self) -> float:
        if self.finishing:
            return max(self.finishing[-LATEST:])
        return min(FINISHING_SHARE * (self.whole or 0.0), MOST_FINISHING_SECONDS)
