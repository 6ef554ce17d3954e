"""Verdicts of the stop rule on running trials, as Ray Tune asks for them."""

from __future__ import annotations

from collections.abc import Callable

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from automl.cluster.actor import StepResult
from automl.cluster.lost_trials import LostTrialsFirst
from automl.cluster.searcher import DriverOnly
from automl.recipe import Report
from automl.study.trial_id import TrialId


class StudyScheduler(DriverOnly, LostTrialsFirst):
    """Asks after each report if the trial goes on.

    For Tune a paused trial has ended: the search knows better, and hands it out again.
    """

    def __init__(self, on_report: Callable[[TrialId, Report, float], bool]) -> None:
        super().__init__()
        self.on_report = on_report

    def on_trial_result(
        self, tune_controller: TuneController, trial: Trial, result: StepResult
    ) -> str:
        report = result.get("report")
        if report is None:
            return str(TrialScheduler.CONTINUE)
        goes_on = self.on_report(trial.config["trial"], report, result["seconds"])
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)
