"""The memory of a sampler: the search's latest trials, as Optuna has them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from copy import copy
from datetime import datetime

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from automl import conditions
from automl.space.domains import Params
from automl.space.priors import leaning
from automl.study.propose.candidates import Candidate, Walk
from automl.study.propose.samplers import SAMPLERS, suggest_from, take_over
from automl.study.record import Settings, TrialRecord
from automl.study.study import STATES
from automl.study.trial_id import TrialId
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
        self.count = 0
        """The trials learned of, forgotten ones too."""
        self.forgotten: set[object] = set()
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
        self._enter(record.id, _ended(record, self.settings))

    def screen(self, candidate: Candidate) -> None:
        """Learn of a proposal that was refused."""
        pruned = _Ended.of(TrialState.PRUNED, candidate.params, candidate.distributions)
        self._enter(object(), pruned)

    def _enter(self, key: object, trial: FrozenTrial) -> None:
        is_known = key in self.entries or key in self.forgotten
        self.entries.pop(key, None)
        self.entries[key] = trial
        self.count += not is_known
        if is_known or self.count % WINDOW == 0:
            self.study = None
        elif self.study is not None:
            take_over(self.study, trial, self.study.sampler)
        self.forgotten.discard(key)
        if len(self.entries) > 4 * WINDOW:
            self._forget()

    def _forget(self) -> None:
        """Forget what is older than two windows, but which trials these were."""
        for key in list(self.entries)[: -2 * WINDOW]:
            del self.entries[key]
            if isinstance(key, TrialId):
                self.forgotten.add(key)

    def _made(self) -> optuna.Study:
        directions = [StudyDirection.MAXIMIZE] * len(self.settings.objectives)
        sampler = SAMPLERS[self.settings.sampler](0)
        study = optuna.create_study(directions=directions, sampler=sampler)
        last = self.count - max(0, self.count // WINDOW - 1) * WINDOW
        for trial in list(self.entries.values())[-last:] if last else ():
            take_over(study, trial, sampler)
        return study


class _Ended(FrozenTrial):
    """An ended trial. Optuna copies what it is given, deeply: of what nobody changes, one will
    do."""

    @classmethod
    def of(
        cls,
        state: TrialState,
        params: Params,
        distributions: Mapping[str, BaseDistribution],
        values: tuple[float, ...] | None = None,
    ) -> _Ended:
        now = datetime.now()
        return cls(
            number=-1,
            state=state,
            value=None,
            datetime_start=now,
            datetime_complete=now,
            params=dict(params),
            distributions=dict(distributions),
            user_attrs={},
            system_attrs={},
            intermediate_values={},
            trial_id=-1,
            values=values,
        )

    def __deepcopy__(self, memo: object) -> _Ended:
        return copy(self)


def _ended(record: TrialRecord, settings: Settings) -> FrozenTrial:
    status = Status.STOPPED if record.result is None else record.result.status
    values = settings.coordinates(record.values) if record.measurement else None
    trial = _Ended.of(STATES[status], record.params, record.distributions, values)
    if record.measurement is not None:
        for limit in settings.limits:
            trial.set_constraint(str(limit), conditions.violation(record.values, [limit]))
    return trial
