"""The peers of `peers.py` on Ray Tune: plain functions in reused actors, as its guides say.

A function's metrics are reported once, at its end, where nobody decides earlier; ASHA gets the
accuracy of every epoch. One trial more than there are slots waits, so that actors are reused.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

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

from automl.data.dataset import Split
from automl.measure.measurement import Measurement
from automl.pareto import DIRECTIONS
from automl.result import TrialResult
from automl.space import Domain, FloatDomain, IntDomain, OneOfDomain, sample


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


def start_judge(setting: Setting) -> Any:
    judge = Judge.remote(setting)  # type: ignore[attr-defined]
    ray.get(judge.ready.remote())
    return judge


def search(name: str, setting: Setting, judge: Any, seconds: float, slots: int) -> None:
    """Run one method for that long; what it finds stands in the setting's log."""
    method = METHODS[name]
    trainable = tune.with_parameters(
        trial, setting=setting, judge=judge, per_epoch=method.scheduler is not None
    )
    with tempfile.TemporaryDirectory() as folder:
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=method.searcher(setting),
                scheduler=method.scheduler and method.scheduler(setting),
                num_samples=-1,
                max_concurrent_trials=slots + 1,
                time_budget_s=seconds,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()


def walk(setting: Setting, trial: optuna.Trial) -> None:
    """The space, as Optuna defines one by running it: conditions are met on the way."""

    def suggest(path: str, domain: Domain) -> Any:
        match domain:
            case IntDomain(low, high, step):
                return trial.suggest_int(path, low, high, step=step)
            case FloatDomain(low, high, log):
                return trial.suggest_float(path, low, high, log=log)
            case OneOfDomain():
                return trial.suggest_categorical(path, domain.names())
        raise AssertionError(domain)

    sample(setting.load(), suggest)


def trial(config: dict[str, Any], setting: Setting, judge: Any, per_epoch: bool) -> None:
    """The Tune function."""
    torch.set_num_threads(1)

    def measure(file: bytes, rows: Split) -> Measurement:
        measured: Measurement = ray.get(judge.measure.remote(file))
        return measured

    running, epoch = run_alone(setting, config, measure), 0
    while True:
        try:
            report = next(running)
        except StopIteration as end:
            result: TrialResult = end.value
            break
        epoch += 1
        if per_epoch:
            tune.report({"epoch": epoch, "accuracy": report.metrics["accuracy"]})
    tune.report({"epoch": epoch + 1, **told(setting, result)})


@ray.remote(num_cpus=0)
class Judge:
    """Measures one file at a time, as ours does."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.rows = setting, setting.rows()

    def ready(self) -> None: ...

    def measure(self, file: bytes) -> Measurement:
        return self.setting.measure(file, self.rows)
