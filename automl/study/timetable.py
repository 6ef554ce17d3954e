"""The timetable of a search whose time is limited: what each trial may take of it."""

from __future__ import annotations

import math
from statistics import median

from automl.study.budget import Clock, GpuMeter
from automl.trial.result import TrialResult
from automl.trial.time_limit import Countdown, TimeLimit

TRIALS_EACH = 5
"""A trial takes no more than this part of the time, so that a first model is there by then."""
FINISHING_SHARE, LEAST_FINISHING_SECONDS, MOST_FINISHING_SECONDS = 0.05, 5.0, 30.0
"""What export, gate and measuring are taken to need until some trial has shown it: a share of the
time, the least and the most."""
MOST_OF_A_TRIAL = 0.5
"""Of a trial's fair time no more is kept for finishing: one slow trial says little of others."""
LATEST = 5
"""The latest trials that show what finishing takes."""
FIRST_GRACE_SECONDS = 60.0
"""The seconds that a run without a model waits for one when time is up, rather than have none."""
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
        fair = max(self.whole / TRIALS_EACH, left / rounds)
        return self._limit(left, fair, self._finishing_seconds())

    def training_seconds(self) -> float:
        """The seconds that a trial has for its trainings; infinite where time is not limited."""
        if self.whole is None:
            return math.inf
        return self.whole / TRIALS_EACH - self._finishing_seconds()

    def refit_limit(self, seconds_left: float, trial: TrialResult | None, rounds: int) -> TimeLimit:
        """The time of a refit of a trial, of those that are left, when `rounds` of them are due.

        It needs what the trial needed for export, gate and measuring.
        """
        whole = trial.seconds + trial.reused_seconds if trial else 0.0
        fair = max(seconds_left / max(1, rounds), 2 * whole)
        finishing = _finishing(trial) if trial else self._finishing_seconds()
        return self._limit(seconds_left, fair, finishing, takes_stored=False)

    def expected_seconds(self, slots: int, trials_left: float) -> float:
        """The seconds until the budget is spent, by what trials took so far; infinite while that
        is not known."""
        by_trials = sum(self.took) / len(self.took) * trials_left / slots if self.took else math.inf
        return max(0.0, min(self.seconds_left(slots), by_trials))

    def is_worth_starting(self, slots: int) -> bool:
        """Tell whether there is time for another trial, by what others took."""
        needed = self._finishing_seconds() + self._least_seconds() if self.took else 0.0
        return self.seconds_left(slots) > needed

    def is_finishing(self, slots: int) -> bool:
        """Tell whether time was up a moment ago: trials that were cut off need some more."""
        left = self.seconds_left(slots)
        return -self.grace_seconds() < left <= 0

    def grace_seconds(self) -> float:
        """The seconds that trials may need once time is up; none where it is not limited."""
        if not self.is_limited:
            return 0.0
        usual = GRACE * self._finishing_seconds()
        return usual if self.took else max(usual, FIRST_GRACE_SECONDS)

    def learn(self, result: TrialResult) -> None:
        """Learn from a trial of this run how long trials take, and what of that is not training."""
        if result.is_complete:
            self.took.append(result.seconds)
            self.finishing.append(_finishing(result))

    def _limit(
        self, left: float, fair: float, finishing: float, takes_stored: bool = True
    ) -> TimeLimit:
        countdown, least = Countdown(left - finishing), self._least_seconds()
        return TimeLimit(countdown, fair, finishing, least, takes_stored)

    def _least_seconds(self) -> float:
        return median(self.took) / 2 if self.took else 0.0

    def _finishing_seconds(self) -> float:
        if self.finishing:
            most = MOST_OF_A_TRIAL * (self.whole or math.inf) / TRIALS_EACH
            return min(max(self.finishing[-LATEST:]), most)
        usual = FINISHING_SHARE * (self.whole or 0.0)
        return min(max(usual, LEAST_FINISHING_SECONDS), MOST_FINISHING_SECONDS)


def _finishing(result: TrialResult) -> float:
    """The seconds of a trial that were not training or compressing."""
    stages = sum(result.stages.values()) - result.stages.get("export", 0.0)
    return max(0.0, result.seconds - stages)
