"""The process that times a search's files: on its own machine, or on a device that it asks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import ray
from numpy.typing import NDArray

from automl.cluster.ray_environment import LIGHT
from automl.measure.device import Device, DeviceTimer
from automl.measure.kept_timings import KeptTimings, Take, timed_here
from automl.measure.latency import Reference, Timing, alone, sized, together
from automl.measure.machine import kind_of, machine
from automl.measure.measurement import Measurement, Metrics, measurement, metrics
from automl.runtimes import onnx
from automl.space.runtime import ONNX, Runtime
from automl.store import Store


@ray.remote(num_cpus=0, max_restarts=-1, runtime_env={"env_vars": {LIGHT: "1"}})
class Measurer:
    """Times files, one after the other, here or on a device; the store keeps the results, so that
    a lost measurer is made anew."""

    def __init__(self, store_url: str, store_identity: str, device: Device | None) -> None:
        self.store = Store(store_url, store_identity)
        self.kind = device.kind if device else kind_of(machine())
        self.take: Take = DeviceTimer(device) if device else timed_here

    def tell_kind(self) -> str:
        """The kind of machine that times the files."""
        return self.kind

    def calibrate(
        self,
        files: Mapping[str, bytes],
        inputs: NDArray[np.generic],
        targets: NDArray[np.generic] | None,
        runtimes: Mapping[str, Runtime],
    ) -> tuple[Measurement, str]:
        """The figures of a model by itself, its files given by format, and raw rows (rows, ...):
        without its quality where there are no targets; and what the user should know of how its
        times were taken.

        No space file is loaded: a metric of its own that raises would end the search.
        """
        row, own, file = inputs[:1], Metrics({}, {}), files[ONNX]
        timing = together({name: self._alone(files, row, one) for name, one in runtimes.items()})
        if targets is not None:
            own = metrics(onnx.run(onnx.session(file), inputs), targets)
        return measurement(file, own, replace(timing, machine=self.kind), row), timing.note

    def _alone(
        self, files: Mapping[str, bytes], row: NDArray[np.generic], runtime: Runtime
    ) -> Timing:
        """The times of a model by itself on a runtime."""
        file = files[runtime.format]
        return sized(self.take(file, row, alone(runtime), None), file, runtime.format)

    def time(
        self,
        own: str,
        file: bytes,
        row: NDArray[np.generic],
        reference: Reference,
        calibrated: str,
        kind: str | None,
    ) -> tuple[Timing | None, float]:
        """The times of a file on a raw row (1, ...), and the seconds that were spent; `own` is the
        structure of the model's ONNX file.

        None where the measurer came to a machine of another kind, or one without the store.
        """
        started = time.perf_counter()
        timing = None
        if kind is None or (kind == self.kind and self.store.is_here()):
            kept = KeptTimings(self.store, calibrated, self.kind, self.take)
            timing = kept.time(own, file, row, reference)
        return timing, time.perf_counter() - started
