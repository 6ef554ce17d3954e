"""Verdicts of the stop rule, and the trial that gets a slot first, as Ray Tune asks for them."""

from __future__ import annotations

from collections.abc import Callable

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from automl.cluster import ray_patches
from automl.cluster.actor import StepResult
from automl.cluster.searcher import DriverOnly
from automl.recipe import Report
from automl.study.trial_id import TrialId


class StudyScheduler(DriverOnly, FIFOScheduler):
    """Asks after each report if the trial goes on.

    For Tune a paused trial has ended: the search knows better, and hands it out again. A trial
    whose actor was lost goes on before new trials start: Tune would put it behind them.
    """

    def __init__(self, on_report: Callable[[TrialId, Report, float], bool]) -> None:
        super().__init__()
        self.on_report = on_report
        self.lost: list[Trial] = []

    def on_trial_result(
        self, tune_controller: TuneController, trial: Trial, result: StepResult
    ) -> str:
        report = result.get("report")
        if report is None:
            return str(TrialScheduler.CONTINUE)
        goes_on = self.on_report(trial.config["trial"], report, result["seconds"])
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: TuneController, trial: Trial) -> None:
        self.lost.append(trial)
        self.controller = tune_controller

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        self.lost = [trial for trial in self.lost if trial.status == Trial.PENDING]
        if not self.lost:
            return super().choose_trial_to_run(tune_controller)
        ray_patches.move_ahead(self.controller, self.lost)
        return self.lost[0]
