"""OptunaHub's Pareto pruner (`pruners/multi_metric_pruner`), run as it is shipped, as a stop rule.

It ranks a trial among all others by dominance at each step that was reported, and leaves the
verdict on the ranks to a pruner of Optuna: here the one of its example, the median of ended trials
once there are three. What stops does not go on later.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import optuna
from optuna.trial import Trial, TrialState

from automl.study.rung_state import Entry, RungName, RungState
from automl.study.stopping.stop_rule import StopRule, _Paused
from automl.study.trial_id import TrialId

STARTUP_TRIALS = 3


class HubRule(StopRule):
    """It keeps a study of its own, which is told of each report and end."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.module = shipped(folder)
        self.trials: dict[TrialId, Trial] = {}
        self.last: dict[TrialId, tuple[float, ...]] = {}
        self.study: optuna.Study | None = None

    def goes_on(
        self, trial: TrialId, name: RungName | None = None, entry: Entry | None = None
    ) -> bool:
        if name is None or entry is None:
            return True
        study = self._study(len(entry.values))
        if trial not in self.trials:
            self.trials[trial] = study.ask()
        self.last[trial] = entry.values
        reported = self.module.MultiMetricPrunerTrial(self.trials[trial])
        values = {str(position): value for position, value in enumerate(entry.values)}
        reported.report(values, name.epoch)
        if not reported.should_prune():
            return True
        study.tell(self.trials[trial], state=TrialState.PRUNED)
        self.paused[trial] = _Paused(name, {name: entry.key})
        return False

    def to_resume(self) -> TrialId | None:
        return None

    def end(self, trial: TrialId) -> None:
        if self.study is not None and trial in self.trials:
            self.study.tell(self.trials[trial], list(self.last[trial]))

    def state(self, trial: TrialId) -> RungState:
        return RungState()

    def _study(self, num_objectives: int) -> optuna.Study:
        if self.study is None:
            directions = {str(position): "maximize" for position in range(num_objectives)}
            median = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS)
            self.study = optuna.create_study(
                directions=["maximize"] * num_objectives,
                pruner=self.module.MultiMetricPruner(
                    median, metric_directions=directions, joint=True
                ),
            )
        return self.study


def shipped(folder: Path) -> ModuleType:
    """The package in a folder of a copy of OptunaHub's registry."""
    spec = importlib.util.spec_from_file_location(
        "multi_metric_pruner", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
