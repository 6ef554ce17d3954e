"""Which trial comes next: drawn by a sampler, held back while its prefix is in the making."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from automl import pareto
from automl.prefix import needed_keys
from automl.result import TrialResult
from automl.space import Space, TrialConfig, replay, sample
from automl.study.samplers import SAMPLERS, suggest_from, take_over
from automl.study.study import STATES, Study, TrialRecord

MAX_HELD = 4
MAX_REDRAWS = 20


@dataclass(frozen=True)
class Proposal:
    """A trial that is not started yet. `keys` are of all that it makes, teachers included."""

    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    keys: list[str]
    draw: int
    mirror_number: int


class Proposer:
    """Draws proposals from an in-memory mirror of the study and starts them in its storage.

    Each draw is seeded by its count, so that a resumed study goes on as it would have; what
    was held back when it ended is drawn anew.
    `is_stored(key)` says whether a prefix's artifact is there.
    """

    def __init__(
        self, study: Study, space: Space, space_source: str, is_stored: Callable[[str], bool]
    ) -> None:
        self.study, self.space, self.space_source = study, space, space_source
        self.is_stored = is_stored
        directions = [StudyDirection.MAXIMIZE] * len(study.settings.objectives)
        self.mirror = optuna.create_study(directions=directions)
        self.held: list[Proposal] = []
        self.running: dict[int, Proposal] = {}
        self.adopted: list[TrialRecord] = []
        self.seen: set[str] = set()
        self.num_draws = self.num_started = 0
        for record in study.records():
            self._take_over(record)

    def next(self) -> TrialRecord | None:
        """The next trial, written as running; None when every candidate must wait."""
        if self.adopted:
            return self.adopted.pop(0)
        proposal = next((p for p in self.held if not self._in_the_making(p)), None)
        if proposal is not None:
            self.held.remove(proposal)
        while proposal is None and len(self.held) < MAX_HELD:
            drawn, is_new = self._draw()
            if self.held and not is_new:
                # Nothing new is left but what waits: better wait, too, than repeat a trial.
                self.mirror.tell(drawn.mirror_number, state=TrialState.FAIL)
                return None
            if self._in_the_making(drawn):
                self.held.append(drawn)
            else:
                proposal = drawn
        return None if proposal is None else self._start(proposal)

    def finish(self, number: int, result: TrialResult) -> TrialRecord:
        """Write a trial's end into the study and let the sampler learn of it."""
        record = self.study.finish(number, result)
        self._tell(self.running.pop(number).mirror_number, result)
        return record

    def config(self, params: dict[str, Any]) -> TrialConfig:
        return sample(self.space, replay(params))

    def _draw(self) -> tuple[Proposal, bool]:
        """A proposal, and whether it is new; a repeated one only after many tries."""
        settings = self.study.settings
        for redraws in range(MAX_REDRAWS + 1):
            self.mirror.sampler = SAMPLERS[settings.sampler](
                (settings.seed * 100_003 + self.num_draws) % 2**32
            )
            trial = self.mirror.ask()
            config = sample(self.space, suggest_from(trial))
            self.num_draws += 1
            if json.dumps(trial.params) not in self.seen or redraws == MAX_REDRAWS:
                break
            self.mirror.tell(trial, state=TrialState.FAIL)
        is_new = json.dumps(trial.params) not in self.seen
        self.seen.add(json.dumps(trial.params))
        keys = needed_keys(config, self.space_source)
        drawn = Proposal(trial.params, trial.distributions, keys, self.num_draws, trial.number)
        return drawn, is_new

    def _start(self, proposal: Proposal) -> TrialRecord:
        record = self.study.start(proposal.params, proposal.distributions, proposal.draw)
        self.running[record.number] = proposal
        self.num_started += 1
        return record

    def _in_the_making(self, proposal: Proposal) -> bool:
        making = {key for running in self.running.values() for key in running.keys}
        return any(key in making and not self.is_stored(key) for key in proposal.keys)

    def _take_over(self, record: TrialRecord) -> None:
        """Mirror a trial of an earlier run; one that it left running runs again."""
        mirrored = create_trial(
            state=TrialState.RUNNING, params=record.params, distributions=record.distributions
        )
        self.mirror.add_trial(mirrored)
        number = len(self.mirror.get_trials(deepcopy=False)) - 1
        take_over(self.mirror, number, self.study.settings.sampler)
        self.seen.add(json.dumps(record.params))
        self.num_draws = max(self.num_draws, record.draw)
        self.num_started += 1
        if record.result is not None:
            self._tell(number, record.result)
            return
        keys = needed_keys(self.config(record.params), self.space_source)
        self.running[record.number] = Proposal(
            record.params, record.distributions, keys, record.draw, number
        )
        self.adopted.append(record)

    def _tell(self, mirror_number: int, result: TrialResult) -> None:
        """Tell the mirror a trial's place on the axes, 1 best, and by how much it is infeasible."""
        settings, values = self.study.settings, None
        if result.measurement is not None:
            measured = result.measurement.figures
            values = [axis.at(measured[name]) for name, axis in settings.axes.items()]
            frozen = self.mirror.get_trials(deepcopy=False)[mirror_number]
            trial = optuna.trial.Trial(self.mirror, frozen._trial_id)
            for text in settings.constraints:
                trial.set_constraint(text, pareto.violation(measured, pareto.parse_where(text)))
        self.mirror.tell(mirror_number, values, STATES[result.status])
