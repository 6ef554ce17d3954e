"""The budgets of a search, and the clocks that say what of them is spent."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from automl.errors import UserError
from automl.study.trial_id import TrialId

DEFAULT_TRIALS = 50
REFIT_SHARE = 0.25
STAGNANT_SHARE = 0.001
"""Patience runs while the hypervolume gains no more than this share."""


@dataclass(frozen=True)
class Budget:
    """The budgets of a search: the first that is reached ends it.

    All but `minutes`, of this run, count over resumes.

    `trials` may run; `gpu_hours` are reserved GPUs × wall time of trials; after `patience`
    ended trials in which the hypervolume has stagnated there is no more to wait for.
    `refit_minutes`, inside `minutes`, are for the refits after the search: 0 for none, else
    a quarter of what was searched. `until` are conditions: the first model that meets them ends
    the search, refits included (`goal.py`).
    """

    trials: int | None = None
    minutes: float | None = None
    gpu_hours: float | None = None
    patience: int | None = None
    refit_minutes: float | None = None
    until: str | None = None

    def __post_init__(self) -> None:
        if self.minutes is not None and (self.refit_minutes or 0) >= self.minutes:
            raise UserError(
                f"--refit-minutes {self.refit_minutes:g} leave nothing of --minutes "
                f"{self.minutes:g} to search in; give fewer"
            )

    def max_trials(self) -> float:
        """The most trials that may be started."""
        if self.trials is not None:
            return self.trials
        others = (self.minutes, self.gpu_hours, self.patience)
        return DEFAULT_TRIALS if others == (None, None, None) else math.inf

    def spent(
        self, hypervolumes: Sequence[float], seconds: float = 0.0, gpu_seconds: float = 0.0
    ) -> str:
        """Name the budget that is spent, as a sentence's end; "" while there is some of each.

        `hypervolumes` are the front's after each ended trial; `seconds` are of this run.
        """
        if len(hypervolumes) >= self.max_trials():
            return f"all its {len(hypervolumes)} trials have run"
        if self.minutes is not None and seconds >= self.minutes * 60:
            return f"its {self.minutes:g} minutes are over"
        if self.gpu_hours is not None and gpu_seconds >= self.gpu_hours * 3600:
            return f"its {self.gpu_hours:g} GPU-hours are used up"
        if self.patience is not None and _stagnant(hypervolumes, self.patience):
            return (
                f"the last {self.patience} trials have not raised the hypervolume "
                f"by more than {STAGNANT_SHARE:.1%}"
            )
        return ""


class Clock:
    """The time that a run has taken, and what of it is for refits.

    Earlier runs had `searched_before` seconds, and `refit_before` for refits.
    """

    def __init__(
        self,
        budget: Budget,
        searched_before: float = 0.0,
        refit_before: float = 0.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.now, self.started, self.budget = now, now(), budget
        self.searched_before, self.refit_before = searched_before, refit_before
        self.search_seconds: float | None = None
        self.refits_have_the_rest = False

    def seconds(self) -> float:
        return self.now() - self.started

    def seconds_for_all(self) -> float:
        """The seconds so far, and the seconds that refits would take after them."""
        return self.seconds() + self._refit_seconds(self.seconds())

    def search_seconds_left(self) -> float:
        """The seconds of `--minutes` that are left before the refits' time; without end if they
        are not limited."""
        if self.budget.minutes is None:
            return math.inf
        all_seconds = 60 * self.budget.minutes
        return all_seconds - self._refit_seconds(all_seconds) - self.seconds()

    def refit_seconds_after(self, seconds: float) -> float:
        """The seconds that refits will take if the search goes on for so many more."""
        return self._refit_seconds(self.seconds() + seconds)

    def end_search(self, is_out_of_minutes: bool = False) -> None:
        """Note that the search has ended: from now on the time is for refits.

        Where it ended for want of minutes, and refits have none of their own, they have all that
        is left.
        """
        self.search_seconds = self.seconds()
        self.refits_have_the_rest = is_out_of_minutes and self.budget.refit_minutes is None

    def refit_seconds(self) -> float:
        """The seconds that refits have had, in earlier runs too."""
        searched = self.seconds() if self.search_seconds is None else self.search_seconds
        return self.refit_before + self.seconds() - searched

    def refits(self) -> bool:
        """Tell whether any time is for refits."""
        return self.budget.refit_minutes != 0

    def lets_refits_end(self) -> bool:
        """Tell whether the refits' time, which nobody has asked for, is but for them to begin."""
        return self.budget.minutes is None and self.budget.refit_minutes is None

    def is_up(self) -> bool:
        """Tell whether all the time is over."""
        return self.seconds_left() <= 0

    def seconds_left(self) -> float:
        """The seconds left for refits; without end while the search goes on."""
        if self.search_seconds is None:
            return math.inf
        until = self.search_seconds + self._refit_seconds(self.search_seconds)
        if self.budget.minutes is not None:
            end = 60 * self.budget.minutes
            until = end if self.refits_have_the_rest else min(until, end)
        return until - self.seconds()

    def _refit_seconds(self, searched: float) -> float:
        """The seconds for refits once this run has searched for some seconds.

        Minutes that were asked for are this run's own. Without them, refits take no larger share
        of this run's minutes than of a whole search.
        """
        if self.budget.refit_minutes is not None:
            return 60 * self.budget.refit_minutes
        whole = REFIT_SHARE * (self.searched_before + searched)
        seconds = max(0.0, whole - self.refit_before)
        if self.budget.minutes is not None:
            seconds = min(seconds, 60 * self.budget.minutes * REFIT_SHARE / (1 + REFIT_SHARE))
        return seconds


class GpuMeter:
    """GPUs × seconds that trials have reserved, and go on reserving.

    `before` are those of earlier runs; `now` is a clock in seconds.
    """

    def __init__(self, before: float = 0.0, now: Callable[[], float] = time.monotonic) -> None:
        self.ended, self.now = before, now
        self.running: dict[TrialId, tuple[float, float]] = {}

    def start(self, trial: TrialId, gpus: float, worked: float = 0.0) -> None:
        """Note that a trial got its GPUs `worked` seconds ago; its first start counts."""
        self.running.setdefault(trial, (gpus, self.now() - worked))

    def end(self, trial: TrialId) -> None:
        """Note that a trial has ended or is paused; without a start it costs nothing."""
        gpus, since = self.running.pop(trial, (0.0, self.now()))
        self.ended += gpus * (self.now() - since)

    def seconds(self) -> float:
        now = self.now()
        return self.ended + sum(gpus * (now - since) for gpus, since in self.running.values())


def _stagnant(hypervolumes: Sequence[float], patience: int) -> bool:
    if len(hypervolumes) < patience:
        return False
    before = hypervolumes[-patience - 1] if len(hypervolumes) > patience else 0.0
    return hypervolumes[-1] - before <= STAGNANT_SHARE * hypervolumes[-1]
