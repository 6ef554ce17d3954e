"""One search on a Ray session: Tune places and retries, the study decides and remembers."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune import Callback, CheckpointConfig, FailureConfig, RunConfig, TuneConfig
from ray.tune.stopper import Stopper

from automl.cluster.actor import TrialActor
from automl.cluster.scheduler import StudyScheduler
from automl.cluster.searcher import DriverOnly, StudySearcher, Trials
from automl.cluster.task import Shared
from automl.recipe import Report
from automl.study.record import TrialRecord
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult

MAX_LOST_ACTORS = 2
CAUSES = {
    "OUT_OF_MEMORY": "its node ran out of memory",
    "low on memory": "its node ran out of memory",
    "node has died": "its node was lost",
    "node was terminated": "its node was lost",
    "preempted": "its node was taken away",
}
"""Ray's words for why an actor was lost, and ours."""
# At the end it misses files of results, which we have Tune not write.
logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Events:
    """Where a search tells what happens; each must return at once.

    A report comes with the seconds that the trial has worked by then; False pauses it. `lost`
    tells how a trial lost its process, which goes on in another; `turned` is called at every
    turn of Tune's loop.
    """

    started: Callable[[TrialRecord], None]
    reported: Callable[[TrialId, Report, float], bool]
    finished: Callable[[TrialId, TrialResult], None]
    lost: Callable[[TrialId, str], None]
    turned: Callable[[], None]


_task_failed = RayActorManager._actor_task_failed


def _task_failed_or_lost(manager: Any, tracked_actor_task: Any, exception: Exception) -> None:
    """An actor that the memory monitor ended is a lost one; Tune knows no such error (Ray 2.60)."""
    if isinstance(exception, OutOfMemoryError):
        exception = RayActorError(error_msg=str(exception))
    _task_failed(manager, tracked_actor_task=tracked_actor_task, exception=exception)


RayActorManager._actor_task_failed = _task_failed_or_lost


def run(
    events: Events,
    trials: Trials,
    shared: Shared,
    should_stop: Callable[[], bool],
    trial_minutes: float | None = None,
) -> None:
    """Run trials until none is left, or `should_stop()`; then those in flight
    end. One that works for longer than `trial_minutes` is ended with its process."""
    tuner = tune.Tuner(
        tune.with_parameters(TrialActor, shared=shared),
        param_space={"cpus": shared.cpus, "gpus": shared.gpus},
        tune_config=TuneConfig(
            search_alg=StudySearcher(trials, events.started),
            scheduler=StudyScheduler(events.reported),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=RunConfig(
            name=trials.name,
            storage_path=shared.ray_folder,
            stop=_StopWhen(should_stop),
            callbacks=[_Results(events, trial_minutes)],
            failure_config=FailureConfig(max_failures=MAX_LOST_ACTORS),
            # Else Tune saves each trial at its end, and takes each report by itself.
            checkpoint_config=CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    tuner.fit()


class _Results(DriverOnly, Callback):
    """What comes back from the actors, and who of them has not come back for too long."""

    def __init__(self, events: Events, trial_minutes: float | None) -> None:
        self.events, self.trial_minutes = events, trial_minutes
        self.begun: dict[Any, float] = {}
        self.overdue: set[TrialId] = set()
        self.reached: dict[TrialId, Report] = {}
        self.faults: dict[TrialId, list[str]] = defaultdict(list)

    def on_step_begin(self, iteration: int, trials: Any, **_: Any) -> None:
        self.events.turned()
        if self.trial_minutes is not None:
            late = time.monotonic() - 60 * self.trial_minutes
            for trial in [trial for trial, since in self.begun.items() if since < late]:
                self._end(trial)

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        self.begun[trial] = time.monotonic()

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: Any, **_: Any
    ) -> None:
        if "report" in result:
            self.reached[trial.config["trial"]] = result["report"]
        if result.get("done"):
            self.begun.pop(trial, None)
        if "result" in result:
            self._finished(trial, result["result"])

    def on_trial_recover(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        self.begun.pop(trial, None)
        lost = trial.config["trial"]
        # What it said last may have been lost with it.
        trial.config["task"] = replace(trial.config["task"], is_again=True)
        report = self.reached.get(lost)
        told = f", its last report that of {report.step}, epoch {report.epoch}" if report else ""
        fault = f"{_why(_error(trial))}{told}; it went on from its checkpoint"
        self.faults[lost].append(fault)
        self.events.lost(lost, fault)

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        self.begun.pop(trial, None)
        if trial.config["trial"] in self.overdue:
            reason = f"it was ended after --trial-minutes {self.trial_minutes:g}"
        else:
            error = _error(trial)
            times = len(self.faults[trial.config["trial"]]) + 1
            reason = f"it was lost {times} times; the last time {_why(error)}: {error}"
        self._finished(trial, TrialResult(Status.FAILED, reason=reason))

    def _end(self, trial: Any) -> None:
        """End a trial with its process; it is not tried again."""
        del self.begun[trial]
        self.overdue.add(trial.config["trial"])
        trial.max_failures = 0
        ray.kill(trial.temporary_state.ray_actor)

    def _finished(self, trial: Any, result: TrialResult) -> None:
        ended = trial.config["trial"]
        self.reached.pop(ended, None)
        notes = (*result.notes, *self.faults.pop(ended, ()))
        self.events.finished(ended, replace(result, notes=notes))


def _error(trial: Any) -> str:
    """What Tune noted last of how a trial's actor was lost; its own `get_error` looks elsewhere."""
    file = trial.error_file
    return Path(file).read_text().rsplit("Failure #", 1)[-1].strip() if file else ""


def _why(error: str) -> str:
    """How an actor was lost, from Ray's words for it."""
    return next((why for words, why in CAUSES.items() if words in error), "its process ended")


class _StopWhen(DriverOnly, Stopper):
    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self.should_stop = should_stop

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.should_stop()


def _name(trial: Any) -> str:
    return f"{trial.config['trial']}-{trial.trial_id}"
