"""Measuring is its own actor: one file at a time, away from the trials."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from automl.measure.measurement import Measurement, Reference, measure


@ray.remote(num_cpus=0)
class Judge:
    """Measures exported files in turn with one reference file."""

    def __init__(self, reference: Reference | None = None) -> None:
        self.reference = reference

    def calibrate(
        self, file: bytes, inputs: NDArray[np.float32], targets: NDArray[np.int64]
    ) -> Measurement:
        """Measure a file and take it as the reference from now on."""
        measurement = measure(file, inputs, targets)
        self.reference = Reference(file, measurement.latency_ms)
        return measurement

    def measure(
        self, file: bytes, inputs: NDArray[np.float32], targets: NDArray[np.int64]
    ) -> tuple[Measurement, float]:
        """The measurement, and the seconds that it took."""
        started = time.perf_counter()
        measurement = measure(file, inputs, targets, self.reference)
        return measurement, time.perf_counter() - started


class RemoteMeasure:
    """The judge as a trial calls it; counts the seconds spent waiting in its queue."""

    def __init__(self, judge: Any) -> None:
        self.judge = judge
        self.waited_seconds = 0.0
        self.sent: tuple[Any, Any] | None = None

    def __call__(self, file: bytes, rows: Any) -> Measurement:
        started = time.perf_counter()
        if self.sent is None or self.sent[0] is not rows:
            self.sent = rows, [ray.put(rows.inputs), ray.put(rows.targets)]
        measurement, seconds = ray.get(self.judge.measure.remote(file, *self.sent[1]))
        self.waited_seconds += time.perf_counter() - started - seconds
        assert isinstance(measurement, Measurement)
        return measurement
