"""Running the trials of a search on Ray: Tune places and retries, the study decides."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import ray
from ray import tune
from ray.tune import (
    Callback,
    CheckpointConfig,
    FailureConfig,
    ProgressReporter,
    RunConfig,
    TuneConfig,
)
from ray.tune.experiment import Trial
from ray.tune.stopper import Stopper

from automl.cluster import losses, ray_patches, session
from automl.cluster.actor import StepResult, TrialActor
from automl.cluster.left_out import unfit_node
from automl.cluster.nodes import Members
from automl.cluster.scheduler import StudyScheduler
from automl.cluster.searcher import DriverOnly, StudySearcher, Trials
from automl.cluster.trial_inputs import TrialInputs
from automl.recipe import Report
from automl.study.record import TrialRecord
from automl.study.timeline import Stay
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult

MAX_LOST_ACTORS = 2
# At its end Tune misses files of results, which we have Tune not write.
logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Events:
    """Callbacks for what happens in a search; each must return at once.

    `on_report` gets a report and the seconds that the trial has worked by then, and returns
    False to pause the trial. `on_placed` gets the number of workers of a trial that was started.
    `on_process_lost` gets the way in which a trial lost its process;
    the trial goes on in another. `on_loop` is called at every turn of Tune's loop, `on_left` when a
    trial has left its slot.
    """

    on_start: Callable[[TrialRecord], None]
    on_placed: Callable[[TrialId, int], None]
    on_report: Callable[[TrialId, Report, float], bool]
    on_end: Callable[[TrialId, TrialResult], None]
    on_process_lost: Callable[[TrialId, str], None]
    on_loop: Callable[[], None]
    on_left: Callable[[TrialId, Stay], None]


def run(
    events: Events,
    trials: Trials,
    inputs: TrialInputs,
    members: Members,
    should_stop: Callable[[], bool],
    trial_minutes: float | None = None,
) -> None:
    """Run trials until none is left, or until `should_stop()` and those in flight have ended.

    None runs on a node that `members` leave out. A trial that works for longer than
    `trial_minutes` is ended with its process.
    """
    searcher = StudySearcher(trials, inputs.request, members.left_out_now, events)
    tuner = tune.Tuner(
        tune.with_parameters(TrialActor, inputs=inputs),
        tune_config=TuneConfig(
            search_alg=searcher,
            scheduler=StudyScheduler(events.on_report),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=RunConfig(
            name=trials.name,
            storage_path=inputs.ray_folder,
            stop=_StopWhen(should_stop),
            callbacks=[_Results(events, members, trial_minutes)],
            failure_config=FailureConfig(max_failures=MAX_LOST_ACTORS),
            # Else Tune saves each trial at its end, and takes each report by itself.
            checkpoint_config=CheckpointConfig(checkpoint_at_end=False),
            progress_reporter=_Silent(),
            verbose=0,
        ),
    )
    waiting = ray_patches.actors_in_waiting_workers if session.has_preloaded() else nullcontext
    with (
        ray_patches.out_of_memory_is_a_lost_actor(),
        ray_patches.actors_stay_for_equal_trials(),
        ray_patches.a_loss_while_resetting_counts_once(),
        waiting(),
    ):
        tuner.fit()


class _Silent(ProgressReporter):
    """Shows nothing: Tune's own for notebooks clears the cell, and what we show in it."""

    def should_report(self, trials: list[Trial], done: bool = False) -> bool:
        return False


class _Results(DriverOnly, Callback):
    """Passes on what comes back from the actors, and ends trials that take too long."""

    def __init__(self, events: Events, members: Members, trial_minutes: float | None) -> None:
        self.events, self.members, self.trial_minutes = events, members, trial_minutes
        self.begun: dict[Trial, float] = {}
        self.overdue: set[TrialId] = set()
        self.reached: dict[TrialId, Report] = {}
        self.faults: dict[TrialId, list[str]] = defaultdict(list)
        self.lost_nodes: Counter[TrialId] = Counter()

    def on_step_begin(self, **_: object) -> None:
        self.events.on_loop()
        if self.trial_minutes is not None:
            late = time.monotonic() - 60 * self.trial_minutes
            for trial in [trial for trial, since in self.begun.items() if since < late]:
                self._end(trial)

    def on_trial_start(self, trial: Trial, **_: object) -> None:
        if not trial.config["num_workers"]:
            self.begun[trial] = time.monotonic()

    def on_trial_result(self, trial: Trial, result: StepResult, **_: object) -> None:
        if not {"report", "result"} & result.keys():
            # Its workers have begun: until then it waited for their resources.
            self.begun[trial] = time.monotonic()
        if "report" in result:
            self.reached[trial.config["trial"]] = result["report"]
        if result.get("done"):
            self.begun.pop(trial, None)
            self.events.on_left(trial.config["trial"], _stay(trial, result))
        if "result" in result:
            self._finished(trial, result["result"])

    def on_trial_complete(self, trial: Trial, **_: object) -> None:
        """A paused trial works no longer either: for Tune it has ended."""
        self.begun.pop(trial, None)

    def on_trial_recover(self, trial: Trial, **_: object) -> None:
        self.begun.pop(trial, None)
        lost = trial.config["trial"]
        # Its last report may have been lost with its process.
        trial.config["assignment"] = replace(trial.config["assignment"], was_started=True)
        error = _error(trial)
        if unfit := unfit_node(error):
            self._move(trial, unfit)
            return
        if losses.is_lost_node(error) and self.lost_nodes[lost] < losses.MAX_LOST_NODES:
            self.lost_nodes[lost] += 1
            trial.max_failures += 1
        report = self.reached.get(lost)
        last = f", its last report that of {report.step}, epoch {report.epoch}" if report else ""
        fault = f"{losses.cause(error)}{last}; it went on from its checkpoint"
        self.faults[lost].append(fault)
        self.events.on_process_lost(lost, fault)

    def on_trial_error(self, trial: Trial, **_: object) -> None:
        self.begun.pop(trial, None)
        if trial.config["trial"] in self.overdue:
            reason = f"it was ended after --trial-minutes {self.trial_minutes:g}"
        else:
            error = _error(trial)
            times = len(self.faults[trial.config["trial"]]) + 1
            reason = f"it was lost {times} times; the last time {losses.cause(error)}: {error}"
        self._finished(trial, TrialResult(Status.FAILED, reason=reason))

    def _move(self, trial: Trial, unfit: str) -> None:
        """Keep a trial, and those to come, from a node that does not reach the store."""
        self.members.leave_out(unfit)
        trial.max_failures += 1
        trial.config["left_out"] = self.members.left_out_now()
        trial.update_resources(TrialActor.default_resource_request(trial.config))

    def _end(self, trial: Trial) -> None:
        """End a trial with its process; it is not tried again."""
        del self.begun[trial]
        self.overdue.add(trial.config["trial"])
        trial.max_failures = 0
        ray.kill(trial.temporary_state.ray_actor)

    def _finished(self, trial: Trial, result: TrialResult) -> None:
        ended = trial.config["trial"]
        self.reached.pop(ended, None)
        self.lost_nodes.pop(ended, None)
        notes = (*result.notes, *self.faults.pop(ended, ()))
        self.events.on_end(ended, replace(result, notes=notes))


def _error(trial: Trial) -> str:
    """The last error that Tune noted of a trial's actor; its own `get_error` looks elsewhere."""
    file = trial.error_file
    if not file or not Path(file).exists():
        return "(Ray has not written why)"
    return Path(file).read_text(errors="replace").rsplit("Failure #", 1)[-1].strip()


def _stay(trial: Trial, result: StepResult) -> Stay:
    """The stay in a slot that ended with this result, by the clock of the slot's machine."""
    end = result.get("result")
    return Stay(
        trial=str(trial.config["trial"]),
        slot=result["slot"],
        begun=result["begun"],
        ended=result["now"],
        seconds=end.seconds if end else result.get("seconds", 0.0),
        status=str(end.status) if end else "paused",
        stages=dict(end.stages) if end else {},
    )


class _StopWhen(DriverOnly, Stopper):
    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self.should_stop = should_stop

    def __call__(self, trial_id: str, result: StepResult) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.should_stop()


def _name(trial: Trial) -> str:
    return f"{trial.config['trial']}-{trial.trial_id}"
