"""Measuring is its own actor: one file at a time, away from the trials."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import OutOfMemoryError, RayActorError

from automl.data.dataset import Split
from automl.errors import UserError
from automl.measure.measurement import Measurement, Reference, measure
from automl.retry import patient

SHARE = 0.001
"""Of the resource that names its machine: the judges of several searches may be there."""


@ray.remote(num_cpus=0, max_restarts=-1)
class Judge:
    """Measures exported files; it holds nothing, so that a lost one is made anew."""

    def measure(
        self,
        file: bytes,
        inputs: NDArray[np.float32],
        targets: NDArray[np.int64],
        reference: Reference | None = None,
    ) -> tuple[Measurement, float]:
        """The measurement, in turn with the reference, and the seconds that it took."""
        started = time.perf_counter()
        measurement = measure(file, inputs, targets, reference)
        return measurement, time.perf_counter() - started


@dataclass(frozen=True)
class Bench:
    """A judge, and the file that each other is measured in turn with."""

    judge: Any
    reference: Any

    @classmethod
    def calibrated(
        cls, file: bytes, rows: Split, machine: str | None = None
    ) -> tuple[Bench, Measurement]:
        """A new judge that measures in turn with this file, and the file's own figures."""
        judge = _judge(machine)
        measurement, _ = _ask(judge, file, rows.inputs, rows.targets)
        return cls(judge, ray.put(Reference(file, measurement.latency_ms))), measurement

    @classmethod
    def of(cls, reference: Reference, machine: str | None = None) -> Bench:
        """A new judge for figures comparable to those of an earlier one."""
        return cls(_judge(machine), ray.put(reference))


def _judge(machine: str | None) -> Any:
    """A judge, on a node that has this resource where one is named. Raises UserError."""
    if machine is None:
        return Judge.remote()  # type: ignore[attr-defined]
    if not ray.cluster_resources().get(machine):
        raise UserError(
            f"--measure-on {machine}: no node of the cluster has this resource; start one there: "
            f"ray start --address HEAD:6379 --resources '{{\"{machine}\": 1}}'"
        )
    return Judge.options(resources={machine: SHARE}).remote()  # type: ignore[attr-defined]


class RemoteMeasure:
    """The judge as a trial calls it; counts the seconds spent waiting in its queue."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.waited_seconds = 0.0
        self.sent: tuple[Split, list[Any]] | None = None

    def __call__(self, file: bytes, rows: Split) -> Measurement:
        started = time.perf_counter()
        if self.sent is None or self.sent[0] is not rows:
            self.sent = rows, [ray.put(rows.inputs), ray.put(rows.targets)]
        measurement, seconds = _ask(self.bench.judge, file, *self.sent[1], self.bench.reference)
        self.waited_seconds += time.perf_counter() - started - seconds
        return measurement


@patient(lambda error: isinstance(error, (RayActorError, OutOfMemoryError)))
def _ask(judge: Any, *arguments: Any) -> tuple[Measurement, float]:
    """What a judge says. Ray makes one that was lost anew, as soon as it notices; the memory
    monitor takes one for what others hold."""
    return cast(tuple[Measurement, float], ray.get(judge.measure.remote(*arguments)))
