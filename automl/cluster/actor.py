"""The Tune actor that runs trials, one after the other, a report at a time."""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Generator
from dataclasses import replace
from typing import TypedDict

from ray import tune

from automl.cluster import sent_back
from automl.cluster.left_out import check_here, elsewhere
from automl.cluster.process_usage import ProcessUsage
from automl.cluster.trial_inputs import Assignment, TrialInputs
from automl.export.onnx import leave_out_of_collections
from automl.recipe import Report
from automl.study.stopping.stop_rule import is_rung
from automl.training import cpu_process
from automl.trial.result import TrialResult, failed

DRIVER = {"memory": 1.0}
"""Resources of a trial with workers of its own: a byte, which takes nothing from them."""
BUFFER_SECONDS = 0.2


class ActorConfig(TypedDict):
    """A trial as Tune hands it to an actor; `num_workers` 0 when it runs in the actor itself.

    `bundle` are the resources of one process, `left_out` the nodes that take none.
    """

    assignment: Assignment
    num_workers: int
    bundle: dict[str, float]
    left_out: list[str]


class StepResult(TypedDict, total=False):
    """A report with the seconds that the trial has worked by then, or the result at its end; none
    of them when its workers have begun.

    `slot` names this process; `begun` is when it began with the trial, `now` when it said this.
    """

    slot: str
    begun: float
    now: float
    report: Report
    seconds: float
    result: TrialResult
    done: bool


class TrialActor(tune.Trainable):
    """Runs trials as Tune's trainable: a step is a report, the last step is the result."""

    seconds: float
    has_workers: bool
    trial: Generator[Report | None, None, TrialResult]

    @classmethod
    def default_resource_request(cls, config: ActorConfig) -> tune.PlacementGroupFactory:
        """A trial with workers of its own holds next to nothing: they ask for themselves."""
        bundle = DRIVER if config["num_workers"] else config["bundle"]
        selector = elsewhere(config["left_out"])
        kept_from = {"bundle_label_selector": [selector]} if selector else {}
        return tune.PlacementGroupFactory([bundle], **kept_from)

    def setup(self, config: ActorConfig, inputs: TrialInputs) -> None:
        check_here(inputs.store())
        cpu_process.prepare(inputs.cpus)
        self.inputs = inputs
        self.client = inputs.client()
        self._begin(config)

    def reset_config(self, new_config: ActorConfig) -> bool:
        self.cleanup()
        self._begin(new_config)
        return True

    def step(self) -> StepResult:
        result = self._step()
        slot = f"{platform.node()}:{os.getpid()}"
        return {**result, "slot": slot, "begun": self.begun, "now": time.time()}

    def _step(self) -> StepResult:
        started = time.perf_counter()
        try:
            reported = next(self.trial)
            if reported is None and self.has_workers:
                self.begun = time.time()
                return {}
            report = sent_back.report(reported)
        except StopIteration as end:
            return self._end(end.value, started)
        except BaseException as error:
            # A user's code may exit; Ray ends a process that is to go in the same way.
            if hasattr(error, "ray_terminate_msg"):
                raise
            return self._end(failed(error), started)
        self.seconds += time.perf_counter() - started
        return {"report": report, "seconds": self.seconds}

    def train_buffered(self, *limits: float) -> list[StepResult]:
        """Take several steps for one call of Tune's: up to a rung, where the trial must not go
        on unasked, to the end, or for a while.

        Ray's own gets its two limits in the wrong order and always takes one step (2.60).
        """
        until = time.monotonic() + BUFFER_SECONDS
        results: list[StepResult] = [self.train()]
        while time.monotonic() < until and not (results[-1]["done"] or _is_due(results[-1])):
            results.append(self.train())
        return results

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save nothing: the store holds all that a trial needs to go on."""

    def load_checkpoint(self, checkpoint: object) -> None:
        """Load nothing, see `save_checkpoint`."""

    def cleanup(self) -> None:
        """Leave the trial; what it raises then, when all is told of it, stands in Ray's logs."""
        try:
            self.trial.close()
        except Exception:
            logging.getLogger(__name__).exception("a trial raised when it was left")

    def _begin(self, config: ActorConfig) -> None:
        self.begun, self.seconds, self.client.waited_seconds = time.time(), 0.0, 0.0
        self.has_workers = config["num_workers"] > 0
        self.usage = ProcessUsage()
        self.trial = self._run(config)

    def _run(self, config: ActorConfig) -> Generator[Report | None, None, TrialResult]:
        if self.has_workers:
            from automl.cluster.workers import WorkerGroup, run_on_workers

            group = WorkerGroup(config["num_workers"], config["bundle"], config["left_out"])
            return (yield from run_on_workers(self.inputs, config["assignment"], group))
        return (yield from config["assignment"].run(self.inputs, self.client))

    def _end(self, result: TrialResult, started: float) -> StepResult:
        self.seconds += time.perf_counter() - started
        waited = self.client.waited_seconds + result.waited_seconds
        leave_out_of_collections()
        system = {} if self.has_workers else self.usage.figures().by_name()
        seconds = self.seconds - waited
        result = replace(result, seconds=seconds, waited_seconds=waited, system=system)
        result = sent_back.result(result)
        return {"result": result, "done": True}


def _is_due(result: StepResult) -> bool:
    """True when Tune must know at once: workers have begun, or the stop rule compares trials at
    what is reported."""
    report = result.get("report")
    return report is None or is_rung(report.epoch, report.epochs)
