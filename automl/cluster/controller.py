"""One search on a Ray session: Tune places and retries, the study decides and remembers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune import Callback, FailureConfig, RunConfig, TuneConfig
from ray.tune.stopper import Stopper

from automl.cluster.actor import Shared, TrialActor
from automl.cluster.judge import Judge
from automl.cluster.searcher import StudySearcher
from automl.recipe import Report
from automl.study.proposals import Proposer
from automl.study.study import TrialRecord
from automl.trial import TrialResult

MAX_LOST_ACTORS = 2
DRIVER_CPUS = 0.01


@dataclass(frozen=True)
class Events:
    """Where a search tells what happens; each must return at once."""

    started: Callable[[TrialRecord], None]
    reported: Callable[[int, Report], None]
    finished: Callable[[int, TrialResult], None]


def run(
    proposer: Proposer,
    shared: Shared,
    *,
    slots: int,
    num_workers: int,
    max_trials: float,
    should_stop: Callable[[], bool],
    ray_folder: Path,
    events: Events,
) -> None:
    """Run trials until the budget is spent or `should_stop()`; those in flight end with it."""
    resources = [{"CPU": DRIVER_CPUS}] if num_workers else [_bundle(shared)]
    trainable = tune.with_resources(
        tune.with_parameters(TrialActor, shared=shared), tune.PlacementGroupFactory(resources)
    )
    tuner = tune.Tuner(
        trainable,
        tune_config=TuneConfig(
            search_alg=StudySearcher(proposer, slots, max_trials, events.started),
            num_samples=-1,
            max_concurrent_trials=slots + 1,
            reuse_actors=True,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=RunConfig(
            name=proposer.study.name,
            storage_path=str(ray_folder),
            stop=_StopWhen(should_stop),
            callbacks=[_Results(proposer, events)],
            failure_config=FailureConfig(max_failures=MAX_LOST_ACTORS),
            verbose=0,
        ),
    )
    tuner.fit()


def start_judge(reference: bytes, latency_ms: float | None) -> Any:
    """The judge of a search, on the node of the driver."""
    return Judge.remote(reference, latency_ms)


def reference_latency_ms(judge: Any, inputs: Any, targets: Any, reference: bytes) -> float:
    """The latency of the reference file as the judge's machine has it now."""
    measurement, _ = ray.get(judge.measure.remote(reference, inputs, targets))
    return float(measurement.latency_ms)


class _Results(Callback):  # type: ignore[misc]
    """What comes back from the actors."""

    def __init__(self, proposer: Proposer, events: Events) -> None:
        self.proposer, self.events = proposer, events

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **_: Any) -> None:
        number = trial.config["number"]
        if "report" in result:
            self.events.reported(number, result["report"])
        elif "result" in result:
            self._finish(number, result["result"])

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        reason = f"its actor was lost {MAX_LOST_ACTORS + 1} times: {trial.get_error()}"
        self._finish(trial.config["number"], TrialResult(status="failed", reason=reason))

    def _finish(self, number: int, result: TrialResult) -> None:
        self.proposer.finish(number, result)
        self.events.finished(number, result)


class _StopWhen(Stopper):  # type: ignore[misc]
    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self.should_stop = should_stop

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.should_stop()


def _bundle(shared: Shared) -> dict[str, float]:
    return {"CPU": shared.cpus, **({"GPU": shared.gpus} if shared.gpus else {})}


def _name(trial: Any) -> str:
    return f"{trial.config['number']:04d}-{trial.trial_id}"
