"""One side of `overhead.py`, in a process of its own.

python overhead_run.py SIDE TRIALS SLOTS RESULT

RESULT is a JSON file of the trials: when each ended, counted from the moment at which Ray and the
judge were ready, and the seconds that it took itself.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).parent


def main() -> None:
    torch.set_num_threads(1)
    side, num_trials, slots = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        trials = SIDES[side](num_trials, slots, scratch)
    assert len(trials) == num_trials, f"{len(trials)} of {num_trials} trials ended"
    assert all(trial["status"] == "complete" for trial in trials), trials
    Path(sys.argv[4]).write_text(json.dumps(trials))


def ours(num_trials: int, slots: int, scratch: str, space: str = "overhead_trivial.py") -> Any:
    import watched

    _, watch = watched.search(
        str(HERE / space), slots, scratch, trials=num_trials, seed=0, refit_minutes=0
    )
    return watch.trials


def plain_tune(num_trials: int, slots: int, scratch: str) -> Any:
    import peers_ray
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    setting = _setting(slots, scratch)
    peers_ray.start(slots)
    judge = peers_ray.start_judge(setting)
    logger = MLflowLoggerCallback(f"sqlite:///{scratch}/mlflow.db", experiment_name="overhead")
    method, started = peers_ray.METHODS["ray_optuna"], time.time()
    peers_ray.search(method, setting, judge, slots, num_trials=num_trials, callbacks=[logger])
    return _logged(scratch, started)


def tune_with_train(num_trials: int, slots: int, scratch: str) -> Any:
    """As Ray's guide has it: a Tune function that starts a Train run of one worker."""
    import peers_ray
    from ray import tune

    setting = _setting(slots, scratch)
    peers_ray.start(slots)
    judge = peers_ray.start_judge(setting)
    method, started = peers_ray.METHODS["ray_optuna"], time.time()
    tune.Tuner(
        tune.with_resources(
            tune.with_parameters(_driver, setting=setting, judge=judge), {"cpu": 0.01}
        ),
        tune_config=tune.TuneConfig(
            search_alg=method.searcher(setting),
            num_samples=num_trials,
            max_concurrent_trials=slots,
        ),
        run_config=tune.RunConfig(storage_path=f"{scratch}/tune", verbose=0),
    ).fit()
    return _logged(scratch, started)


def _driver(config: dict[str, Any], setting: Any, judge: Any) -> None:
    """One trial: its figures come back through Tune's own callback of Train."""
    from ray import train, tune
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    TorchTrainer(
        partial(_worker, setting=setting, judge=judge),
        train_loop_config=config,
        # Beside the drivers, which hold a hundredth each, whole processors would not fit.
        scaling_config=train.ScalingConfig(num_workers=1, resources_per_worker={"CPU": 0.99}),
        run_config=train.RunConfig(
            name=tune.get_context().get_trial_id(),
            storage_path=f"{setting.scratch}/train",
            callbacks=[TuneReportCallback()],
        ),
    ).fit()


def _worker(config: dict[str, Any], setting: Any, judge: Any) -> None:
    import peers_ray
    from ray import train

    train.report(peers_ray.run(config, setting, judge))


def _setting(slots: int, scratch: str) -> Any:
    from peers_cell import Request, freeze, prepare

    space = str(HERE / "overhead_trivial.py")
    frozen = freeze(space, os.getcwd(), Path(scratch))
    return prepare(Request(space, "", 0, 0.0, slots, 0, scratch, **frozen), scratch)


def _logged(scratch: str, started: float) -> Any:
    from peers_cell import logged

    return logged(Path(scratch), started)["trials"]


SIDES: dict[str, Callable[[int, int, str], Any]] = {
    "ours": ours,
    "tune": plain_tune,
    "tune_train": tune_with_train,
    "sleep": partial(ours, space="overhead_sleep.py"),
}


if __name__ == "__main__":
    main()
