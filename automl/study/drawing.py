"""What to try next: drawn by a sampler from what was told, screened before any work."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from automl import pareto
from automl.result import TrialResult
from automl.space import Space, TrialConfig, sample
from automl.study.samplers import SAMPLERS, suggest_from
from automl.study.study import STATES, Settings, TrialRecord

MAX_REDRAWS = 20
WINDOW = 250


@dataclass(frozen=True)
class Drawn:
    """A trial that is not started yet: `draw` counts all draws up to it."""

    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    config: TrialConfig
    keys: list[str]
    draw: int
    is_new: bool = True
    screened: list[dict[str, Any]] = field(default_factory=list)


class Drawer:
    """Learns of results and draws, from a mirror of the study in memory.

    Each draw is seeded by its count and sees what was told before it, so that a resumed study
    goes on as it would have. `keys_of` gives what a trial makes.
    """

    def __init__(
        self, settings: Settings, space: Space, keys_of: Callable[[TrialConfig], list[str]]
    ) -> None:
        self.settings, self.space, self.keys_of = settings, space, keys_of
        self.seen: set[str] = set()
        self.num_draws = 0
        self.told: dict[int, FrozenTrial] = {}
        self.mirror = self._mirror()

    def note(self, record: TrialRecord) -> None:
        """Know a started trial, so as not to draw it again."""
        self.seen.add(json.dumps(record.params))
        self.num_draws = max(self.num_draws, record.draw)

    def learn(self, record: TrialRecord) -> None:
        """Take in how a trial ended: its place on the axes, 1 best, and what it breaks.

        A paused one counts as pruned, until it goes on and ends.
        """
        again = self.told.pop(record.number, None)
        self.told[record.number] = _frozen(record, self.settings)
        if again or len(self.told) % WINDOW == 0:
            self.mirror = self._mirror()
        else:
            self.mirror.add_trial(self.told[record.number])

    def draw(self) -> Drawn:
        """The next proposal; one that was made before only after many tries."""
        for _ in range(MAX_REDRAWS + 1):
            trial, params, config = self._ask()
            is_new = json.dumps(params) not in self.seen
            if is_new:
                break
        self.seen.add(json.dumps(params))
        keys = self.keys_of(config)
        return Drawn(params, trial.distributions, config, keys, self.num_draws, is_new)

    def _ask(self) -> tuple[optuna.Trial, dict[str, Any], TrialConfig]:
        settings = self.settings
        seed = (settings.seed * 100_003 + self.num_draws) % 2**32
        self.mirror.sampler = SAMPLERS[settings.sampler](seed)
        self.num_draws += 1
        trial = self.mirror.ask()
        config = sample(self.space, suggest_from(trial))
        self.mirror.tell(trial, state=TrialState.FAIL)
        return trial, trial.params, config

    def _mirror(self) -> optuna.Study:
        """What was told of late: from one window to two, so that it is made anew seldom."""
        directions = [StudyDirection.MAXIMIZE] * len(self.settings.objectives)
        mirror = optuna.create_study(directions=directions)
        first = max(0, len(self.told) // WINDOW - 1) * WINDOW
        mirror.add_trials(list(self.told.values())[first:])
        return mirror


def _frozen(record: TrialRecord, settings: Settings) -> FrozenTrial:
    result, values = record.result or TrialResult("stopped"), None
    if result.measurement is not None:
        measured = result.measurement.figures
        values = [axis.at(measured[name]) for name, axis in settings.axes.items()]
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
