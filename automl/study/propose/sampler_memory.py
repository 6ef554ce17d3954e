"""What a sampler sees: the study's latest trials, in memory, as Optuna has them."""

from __future__ import annotations

import random

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from automl import pareto
from automl.space.priors import leaning
from automl.space.space import Space
from automl.study.propose.candidates import Candidate, walk
from automl.study.propose.samplers import SAMPLERS, suggest_from, take_over
from automl.study.record import Settings, TrialRecord
from automl.study.study import STATES
from automl.trial.result import TrialResult

WINDOW = 250
"""It holds from one to two windows of trials, so that it is made anew seldom."""


class Mirror:
    """An Optuna study on the axes, 1 best, that forgets what is old.

    What it holds depends on nothing but what it was told, in which order.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.entries: dict[object, FrozenTrial] = {}
        self.study: optuna.Study | None = None

    def ask(self, space: Space, seed: int, leaning_share: float) -> Candidate:
        """What the study's sampler draws; it leans to what the space marks as likely."""
        study = self.study = self.study or self._made()
        study.sampler = SAMPLERS[self.settings.sampler](seed)
        trial = study.ask()
        suggest = leaning(suggest_from(trial), random.Random(seed), leaning_share)
        candidate = walk(space, suggest)
        study.tell(trial, state=TrialState.FAIL)
        return candidate

    def tell(self, record: TrialRecord) -> None:
        """How a trial ended. A paused one counts as pruned, until it goes on and ends."""
        self._enter(record.number, _frozen(record, self.settings))

    def screened(self, candidate: Candidate) -> None:
        """A proposal was refused."""
        pruned = create_trial(
            state=TrialState.PRUNED,
            params=candidate.params,
            distributions=candidate.distributions,
        )
        self._enter(object(), pruned)

    def _enter(self, key: object, trial: FrozenTrial) -> None:
        again = self.entries.pop(key, None)
        self.entries[key] = trial
        if again is not None or len(self.entries) % WINDOW == 0:
            self.study = None
        elif self.study is not None:
            take_over(self.study, trial, self.study.sampler)

    def _made(self) -> optuna.Study:
        directions = [StudyDirection.MAXIMIZE] * len(self.settings.objectives)
        sampler = SAMPLERS[self.settings.sampler](0)
        study = optuna.create_study(directions=directions, sampler=sampler)
        first = max(0, len(self.entries) // WINDOW - 1) * WINDOW
        for trial in list(self.entries.values())[first:]:
            take_over(study, trial, sampler)
        return study


def _frozen(record: TrialRecord, settings: Settings) -> FrozenTrial:
    result, values = record.result or TrialResult("stopped"), None
    if result.measurement is not None:
        measured = result.measurement.figures
        values = settings.place(measured)
    trial = create_trial(
        state=STATES[result.status],
        params=record.params,
        distributions=record.distributions,
        values=values,
    )
    if result.measurement is not None:
        for text in settings.constraints:
            trial.set_constraint(text, pareto.violation(measured, pareto.parse_where(text)))
    return trial
