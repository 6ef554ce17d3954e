"""The Tune actor that runs trials, one after the other, a report at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from ray import tune

from automl import source
from automl.cluster.judge import RemoteMeasure
from automl.cluster.shared import Shared
from automl.cluster.workers import run_on_workers
from automl.recipe import Report
from automl.result import TrialResult, failed
from automl.space import rebuild
from automl.store import Store
from automl.trial import run

DRIVER_CPUS = 0.01


class TrialActor(tune.Trainable):
    """One report per step; the last step carries the `TrialResult`."""

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> tune.PlacementGroupFactory:
        """A trial with workers of its own holds next to nothing: they ask for themselves."""
        if config["num_workers"]:
            return tune.PlacementGroupFactory([{"CPU": DRIVER_CPUS}])
        gpus = {"GPU": config["gpus"]} if config["gpus"] else {}
        return tune.PlacementGroupFactory([{"CPU": config["cpus"], **gpus}])

    def setup(self, config: dict[str, Any], shared: Shared) -> None:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        torch.set_num_threads(max(1, int(shared.cpus)))
        self.shared = shared
        self.measure = RemoteMeasure(shared.judge)
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.trial.close()
        self._begin(new_config)
        return True

    def step(self) -> dict[str, Any]:
        started = time.perf_counter()
        try:
            report = next(self.trial)
        except StopIteration as end:
            return self._end(end.value, started)
        except Exception as error:
            return self._end(failed(error), started)
        self.seconds += time.perf_counter() - started
        return {"report": report, "seconds": self.seconds - self.measure.waited_seconds}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """The store holds all that a trial needs to go on."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """See save_checkpoint."""

    def cleanup(self) -> None:
        self.trial.close()

    def _begin(self, config: dict[str, Any]) -> None:
        self.seconds = self.measure.waited_seconds = 0.0
        self.trial = self._run(config["params"], config["num_workers"])

    def _run(
        self, params: dict[str, Any], num_workers: int
    ) -> Generator[Report, None, TrialResult]:
        shared = self.shared
        if num_workers:
            return (yield from run_on_workers(shared, params, num_workers))
        config = rebuild(shared.space(), params)
        device = "cuda" if shared.gpus and torch.cuda.is_available() else "cpu"
        store, code = Store(shared.store_url), source.fingerprint(shared.space_text)
        return (yield from run(config, store, self.measure, Path(shared.cache), code, device))

    def _end(self, result: TrialResult, started: float) -> dict[str, Any]:
        self.seconds += time.perf_counter() - started
        seconds = self.seconds - self.measure.waited_seconds
        return {"result": replace(result, seconds=seconds), "done": True}
