"""When a search ends."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from automl.config import UserError

DEFAULT_TRIALS = 50


@dataclass(frozen=True)
class Budget:
    """Trials that may run, over all resumes, and minutes of this run: first reached ends it."""

    trials: int | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("--trials", self.trials), ("--minutes", self.minutes)):
            if value is not None and (value <= 0 or not math.isfinite(value)):
                raise UserError(f"{name} {value}: a budget must be above zero")

    def max_trials(self) -> float:
        if self.trials is None:
            return DEFAULT_TRIALS if self.minutes is None else math.inf
        return self.trials


class Clock:
    """The time that a run has taken."""

    def __init__(self, budget: Budget) -> None:
        self.started = time.monotonic()
        self.budget = budget

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def seconds_left(self) -> float:
        return (
            math.inf if self.budget.minutes is None else self.budget.minutes * 60 - self.seconds()
        )
