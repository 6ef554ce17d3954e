"""The peers of `peers.py` on Ray Tune: plain functions in reused actors, as its guides say.

A function's metrics are reported once, at its end, where nobody decides earlier; ASHA gets the
accuracy of every epoch. One trial more than there are slots waits, so that actors are reused.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Tune keeps no files of its own for each trial, and starts the actors of all slots together.
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", "100")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import optuna
import ray
import torch
from peers_trial import Setting, run_alone, told
from ray import tune
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from automl.export.onnx import leave_out_of_collections
from automl.measure.latency import Timing
from automl.measure.measurement import Make
from automl.pareto import DIRECTIONS
from automl.recipe import Report
from automl.space.sampling import sample
from automl.study.propose.samplers import suggest_from


@dataclass(frozen=True)
class Method:
    """A searcher of the setting's space, and perhaps a rule that stops trials early."""

    searcher: Callable[[Setting], Searcher]
    scheduler: Callable[[Setting], TrialScheduler] | None = None


def _optuna(setting: Setting, **options: Any) -> Searcher:
    """Optuna's default sampler, TPE, on all objectives."""
    modes = [DIRECTIONS[name] for name in setting.worst]
    return OptunaSearch(partial(walk, setting), list(setting.worst), modes, **options)


def _asha(setting: Setting) -> TrialScheduler:
    """All at its defaults but the length of a trial: one report more than its epochs, so that
    the last epoch's does not end the trial before it is exported and measured."""
    return ASHAScheduler(time_attr="epoch", metric="accuracy", mode="max", max_t=setting.epochs + 1)


METHODS = {
    "ray_optuna": Method(lambda setting: _optuna(setting, seed=setting.seed)),
    "ray_asha": Method(
        lambda setting: OptunaSearch(partial(walk, setting), "accuracy", "max", seed=setting.seed),
        _asha,
    ),
    "random": Method(
        lambda setting: _optuna(setting, sampler=optuna.samplers.RandomSampler(setting.seed))
    ),
}


def start(slots: int) -> None:
    """Ray on this machine, as if it had so many processors."""
    ray.init(num_cpus=slots, include_dashboard=False, log_to_driver=False)


def start_judge(setting: Setting) -> Any:
    judge = Judge.remote(setting)  # type: ignore[attr-defined]
    ray.get(judge.ready.remote())
    return judge


def search(
    method: Method,
    setting: Setting,
    judge: Any,
    slots: int,
    seconds: float | None = None,
    num_trials: int = -1,
    callbacks: Sequence[tune.Callback] = (),
) -> None:
    """Run one method for so long or so many trials; what it finds stands in the setting's log."""
    trainable = tune.with_parameters(
        trial, setting=setting, judge=judge, per_epoch=method.scheduler is not None
    )
    with tempfile.TemporaryDirectory() as folder:
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=method.searcher(setting),
                scheduler=method.scheduler and method.scheduler(setting),
                num_samples=num_trials,
                max_concurrent_trials=slots + 1,
                time_budget_s=seconds,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(storage_path=folder, callbacks=list(callbacks), verbose=0),
        ).fit()


def walk(setting: Setting, trial: optuna.Trial) -> None:
    """The space, as Optuna defines one by running it: conditions are met on the way."""
    sample(setting.load(), suggest_from(trial))


def trial(config: dict[str, Any], setting: Setting, judge: Any, per_epoch: bool) -> None:
    """The Tune function; every report counts as an epoch, the last too."""
    epochs = itertools.count(1)

    def report(epoch: Report) -> None:
        tune.report({"epoch": next(epochs), "accuracy": epoch.metrics["accuracy"]})

    objectives = run(config, setting, judge, report if per_epoch else None)
    tune.report({"epoch": next(epochs), **objectives})


def run(
    config: dict[str, Any],
    setting: Setting,
    judge: Any,
    on_report: Callable[[Report], None] | None = None,
) -> dict[str, float]:
    """Run a trial in this process, measured by the judge, and give its objectives."""
    torch.set_num_threads(1)

    def time_file(file: bytes, row: NDArray[np.generic], make: Make) -> Callable[[], Timing]:
        return partial(ray.get, judge.timed.remote(file, row))

    running = run_alone(setting, config, time_file)
    while True:
        try:
            report = next(running)
        except StopIteration as end:
            leave_out_of_collections()
            return told(setting, end.value)
        if on_report:
            on_report(report)


@ray.remote(num_cpus=0)
class Judge:
    """Times one file after the other, as ours does."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def ready(self) -> None: ...

    def timed(self, file: bytes, row: NDArray[np.generic]) -> Timing:
        return self.setting.timed(file, row)
