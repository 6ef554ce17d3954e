"""The stop rule's verdicts, as Ray Tune asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from automl.cluster.searcher import DriverOnly
from automl.recipe import Report


class StudyScheduler(DriverOnly, FIFOScheduler):
    """Asks after each report whether the trial goes on.

    For Tune a paused trial has ended: the study knows better, and hands it out again.
    """

    def __init__(self, on_report: Callable[[int, Report, float], bool]) -> None:
        super().__init__()
        self.on_report = on_report

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        report = result.get("report")
        if report is None:
            return str(TrialScheduler.CONTINUE)
        goes_on = self.on_report(trial.config["number"], report, result["seconds"])
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)
