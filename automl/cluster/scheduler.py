"""The stop rule's verdicts, and the trial that gets a slot first, as Ray Tune asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from automl.cluster.searcher import DriverOnly
from automl.recipe import Report
from automl.study.trial_id import TrialId


class StudyScheduler(DriverOnly, FIFOScheduler):
    """Asks after each report whether the trial goes on.

    For Tune a paused trial has ended: the search knows better, and hands it out again. A trial
    whose actor was lost goes on before new ones start: Tune would put it behind them.
    """

    def __init__(self, on_report: Callable[[TrialId, Report, float], bool]) -> None:
        super().__init__()
        self.on_report = on_report
        self.lost: list[Any] = []

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        report = result.get("report")
        if report is None:
            return str(TrialScheduler.CONTINUE)
        goes_on = self.on_report(trial.config["trial"], report, result["seconds"])
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        self.lost.append(trial)
        self.controller = tune_controller

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        self.lost = [trial for trial in self.lost if trial.status == Trial.PENDING]
        if not self.lost:
            return super().choose_trial_to_run(tune_controller)
        self._ask_first()
        return self.lost[0]

    def _ask_first(self) -> None:
        """Have the next actor that gets a slot be a lost trial's: Tune serves them as asked."""
        trial_of = self.controller._actor_to_trial
        for waiting in self.controller._actor_manager._resource_request_to_pending_actors.values():
            waiting.sort(key=lambda actor: trial_of.get(actor) not in self.lost)
