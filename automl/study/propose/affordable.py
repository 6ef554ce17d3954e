"""What a search with little time can afford: trials that train for an epoch at least."""

from __future__ import annotations

import math

from automl.bounds.bound import Bound
from automl.recipe import Step
from automl.space.space import TrialConfig
from automl.study.propose.candidates import Candidate
from automl.trial.result import TrialResult


class Affordable:
    """Refuses candidates of which not even one epoch fits into the time of a trial.

    Nothing is refused until a trial has shown how fast this machine is; the fastest one counts.
    A candidate of which no work is known is never refused.
    """

    def __init__(self) -> None:
        self.most_work, self.seconds_per_work = math.inf, math.inf

    def learn(self, config: TrialConfig, bound: Bound, result: TrialResult, seconds: float) -> None:
        """Take in what a trial took for its trainings; another has these seconds for its own."""
        trained = [step.label for step in config.recipe if _epochs(step)]
        labels = [label for label in trained if label in result.stages]
        work = sum(bound.steps.get(label, 0) for label in labels)
        took = sum(result.stages[label] for label in labels)
        if work and took:
            self.seconds_per_work = min(self.seconds_per_work, took / work)
            self.most_work = seconds / self.seconds_per_work

    def refuses(self, candidate: Candidate, bound: Bound) -> bool:
        """Tell whether an epoch of each training takes longer than a trial may."""
        if self.most_work == math.inf or candidate.parent is not None:
            return False
        return one_epoch(candidate.config, bound) > self.most_work


def one_epoch(config: TrialConfig, bound: Bound) -> float:
    """The work of one epoch of each training, in multiply-accumulates."""
    steps = [(bound.steps.get(step.label, 0), _epochs(step)) for step in config.recipe]
    return sum(work / epochs for work, epochs in steps if epochs)


def _epochs(step: Step) -> float:
    """The epochs of a step that does nothing but train, a share of the rows for one; else 0."""
    return float(getattr(step, "epochs", 0)) * float(getattr(step, "row_share", 1.0))
