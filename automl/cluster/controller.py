"""One search on a Ray session: Tune places and retries, the study decides and remembers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray
from ray import tune
from ray.tune import Callback, CheckpointConfig, FailureConfig, RunConfig, TuneConfig
from ray.tune.stopper import Stopper

from automl.cluster.actor import TrialActor
from automl.cluster.scheduler import StudyScheduler
from automl.cluster.searcher import DriverOnly, StudySearcher
from automl.cluster.shared import Shared
from automl.recipe import Report
from automl.result import TrialResult
from automl.study.finishing import Lineup
from automl.study.study import TrialRecord, trial_id

MAX_LOST_ACTORS = 2
# At the end it misses files of results, which we have Tune not write.
logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Events:
    """Where a search tells what happens; each must return at once.

    A report comes with the seconds that the trial has worked by then; False pauses it.
    """

    started: Callable[[TrialRecord], None]
    reported: Callable[[int, Report, float], bool]
    finished: Callable[[int, TrialResult], None]


def run(
    events: Events,
    lineup: Lineup,
    shared: Shared,
    should_stop: Callable[[], bool],
) -> None:
    """Run trials until none is left, or `should_stop()`; then those in flight
    end."""
    tuner = tune.Tuner(
        tune.with_parameters(TrialActor, shared=shared),
        param_space={"cpus": shared.cpus, "gpus": shared.gpus},
        tune_config=TuneConfig(
            search_alg=StudySearcher(lineup, events.started),
            scheduler=StudyScheduler(events.reported),
            num_samples=-1,
            max_concurrent_trials=lineup.proposer.max_live,
            reuse_actors=True,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=RunConfig(
            name=lineup.proposer.study.name,
            storage_path=shared.ray_folder,
            stop=_StopWhen(should_stop),
            callbacks=[_Results(events)],
            failure_config=FailureConfig(max_failures=MAX_LOST_ACTORS),
            # Else Tune saves each trial at its end, and takes each report by itself.
            checkpoint_config=CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    )
    tuner.fit()


def cluster_resources() -> dict[str, float]:
    """What the connected cluster has."""
    return dict(ray.cluster_resources())


class _Results(DriverOnly, Callback):
    """What comes back from the actors."""

    def __init__(self, events: Events) -> None:
        self.events = events

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: Any, **_: Any
    ) -> None:
        if "result" in result:
            self.events.finished(trial.config["number"], result["result"])

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        reason = f"its actor was lost {MAX_LOST_ACTORS + 1} times: {trial.get_error()}"
        self.events.finished(trial.config["number"], TrialResult("failed", reason=reason))


class _StopWhen(DriverOnly, Stopper):
    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self.should_stop = should_stop

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.should_stop()


def _name(trial: Any) -> str:
    return f"{trial_id(trial.config['number'])}-{trial.trial_id}"
