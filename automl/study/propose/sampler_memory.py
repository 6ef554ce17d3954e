"""The memory of a sampler: the search's latest trials, as Optuna has them."""

from __future__ import annotations

import random

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from automl import conditions
from automl.space.priors import leaning
from automl.study.propose.candidates import Candidate, Walk
from automl.study.propose.samplers import SAMPLERS, suggest_from, take_over
from automl.study.record import Settings, TrialRecord
from automl.study.study import STATES
from automl.trial.result import Status

WINDOW = 250
"""The memory holds from one to two windows of trials, so that it is made anew seldom."""


class SamplerMemory:
    """An Optuna study on the axes, 1 best, that forgets what is old.

    Its contents depend on nothing but the trials that it learned of, and their order.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.entries: dict[object, FrozenTrial] = {}
        self.study: optuna.Study | None = None

    def ask(self, walk: Walk, seed: int, leaning_share: float) -> Candidate | None:
        """Have the sampler draw, leaning to what the space marks as likely."""
        study = self.study = self.study or self._made()
        study.sampler = SAMPLERS[self.settings.sampler](seed)
        trial = study.ask()
        suggest = leaning(suggest_from(trial), random.Random(seed), leaning_share)
        candidate = walk(suggest)
        study.tell(trial, state=TrialState.FAIL)
        return candidate

    def learn(self, record: TrialRecord) -> None:
        """Learn how a trial ended. A paused one counts as pruned, until it goes on and ends."""
        self._enter(record.id, _frozen(record, self.settings))

    def screen(self, candidate: Candidate) -> None:
        """Learn of a proposal that was refused."""
        pruned = create_trial(
            state=TrialState.PRUNED,
            params=dict(candidate.params),
            distributions=candidate.distributions,
        )
        self._enter(object(), pruned)

    def _enter(self, key: object, trial: FrozenTrial) -> None:
        before = self.entries.pop(key, None)
        self.entries[key] = trial
        if before is not None or len(self.entries) % WINDOW == 0:
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
    status = Status.STOPPED if record.result is None else record.result.status
    trial = create_trial(
        state=STATES[status],
        params=dict(record.params),
        distributions=record.distributions,
        values=settings.coordinates(record.values) if record.measurement else None,
    )
    if record.measurement is not None:
        for limit in settings.limits:
            trial.set_constraint(str(limit), conditions.violation(record.values, [limit]))
    return trial
