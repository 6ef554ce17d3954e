"""The Tune actor that runs trials, one after the other, a report at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import torch
from ray import tune

from automl.cluster.measuring import RemoteMeasure
from automl.cluster.process_usage import Usage
from automl.cluster.task import Shared, Task
from automl.cluster.workers import run_on_workers
from automl.export.onnx import leave_out_of_collections
from automl.recipe import Report
from automl.study.stopping.stop_rule import is_rung
from automl.trial.result import TrialResult, failed

DRIVER_CPUS = 0.0001
"""The least that Ray counts: many may be on one node beside workers of whole CPUs."""
BUFFER_SECONDS = 0.2


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
        self.measure = RemoteMeasure(shared.bench)
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

    def train_buffered(self, *limits: float) -> list[dict[str, Any]]:
        """Several steps for one call of Tune's: up to a rung, where the trial must not go on
        unasked, to the end, or for a while.

        Ray's own gets its two limits in the wrong order and always takes one step (2.60).
        """
        until, results = time.monotonic() + BUFFER_SECONDS, [self.train()]
        while time.monotonic() < until and not (results[-1]["done"] or _is_asked(results[-1])):
            results.append(self.train())
        return results

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """The store holds all that a trial needs to go on."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """See save_checkpoint."""

    def cleanup(self) -> None:
        self.trial.close()

    def _begin(self, config: dict[str, Any]) -> None:
        self.seconds = self.measure.waited_seconds = 0.0
        self.usage, self.has_workers = Usage(), bool(config["num_workers"])
        self.trial = self._run(config["task"], config["num_workers"])

    def _run(self, task: Task, num_workers: int) -> Generator[Report, None, TrialResult]:
        if num_workers:
            return (yield from run_on_workers(self.shared, task, num_workers))
        return (yield from task.run(self.shared, self.measure))

    def _end(self, result: TrialResult, started: float) -> dict[str, Any]:
        self.seconds += time.perf_counter() - started
        seconds = self.seconds - self.measure.waited_seconds
        leave_out_of_collections()
        system = {} if self.has_workers else self.usage.figures()
        return {"result": replace(result, seconds=seconds, system=system), "done": True}


def _is_asked(result: dict[str, Any]) -> bool:
    """Whether the stop rule compares what is reported."""
    report: Report | None = result.get("report")
    return report is not None and is_rung(report.epoch, report.epochs)
