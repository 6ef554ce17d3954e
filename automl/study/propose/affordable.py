"""Candidates that a search with little time can afford: one epoch of them fits, at least."""

from __future__ import annotations

import math
from collections import defaultdict

from automl.bounds.bound import Bound
from automl.recipe import Step
from automl.space.space import TrialConfig
from automl.study.propose.candidates import Candidate
from automl.trial.result import TrialResult


class Affordable:
    """Refuses candidates of which not even one epoch fits into the time of a trial.

    The pace is each family's own, by its fastest trial; until a trial of a family has shown it,
    none of the family is refused. A candidate of which no work is known is never refused.
    """

    def __init__(self) -> None:
        self.seconds = math.inf
        self.seconds_per_work = defaultdict[str, float](lambda: math.inf)
        self.too_much_work = defaultdict[str, float](lambda: math.inf)

    def learn(self, config: TrialConfig, bound: Bound, result: TrialResult, seconds: float) -> None:
        """Take in how a trial ended; another has these seconds for its trainings.

        One that is not complete had no time, and none of as much work has.
        """
        self.seconds, family = seconds, type(config.model).__name__
        if not result.is_complete:
            least = min(self.too_much_work[family], one_epoch(config, bound))
            self.too_much_work[family] = least or math.inf
            return
        trained = [step.label for step in config.recipe if _epochs(step)]
        labels = [label for label in trained if label in result.stages]
        work = sum(bound.steps.get(label, 0) for label in labels)
        took = sum(result.stages[label] for label in labels)
        if work and took:
            self.seconds_per_work[family] = min(self.seconds_per_work[family], took / work)

    def refuses(self, candidate: Candidate, bound: Bound) -> bool:
        """Tell whether an epoch of each training takes longer than a trial may."""
        if self.seconds == math.inf or candidate.parent is not None:
            return False
        family = type(candidate.config.model).__name__
        work, pace = one_epoch(candidate.config, bound), self.seconds_per_work[family]
        is_too_slow = pace < math.inf and work * pace > self.seconds
        return is_too_slow or work >= self.too_much_work[family]


def one_epoch(config: TrialConfig, bound: Bound) -> float:
    """The work of one epoch of each training, in multiply-accumulates."""
    steps = [(bound.steps.get(step.label, 0), _epochs(step)) for step in config.recipe]
    return sum(work / epochs for work, epochs in steps if epochs)


def _epochs(step: Step) -> float:
    """The epochs of a step that does nothing but train, a share of the rows for one; else 0."""
    return float(getattr(step, "epochs", 0)) * float(getattr(step, "row_share", 1.0))
