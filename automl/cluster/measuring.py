"""Measuring in an actor of its own: one file at a time, away from the trials."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from ray import ObjectRef
from ray.actor import ActorHandle, ActorMethod
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError

from automl.cluster.portable_space import PortableSpace
from automl.cluster.ray_environment import LIGHT
from automl.data.dataset import Split
from automl.errors import UserError
from automl.measure.measurement import Measurement, Reference, measure
from automl.retry import patient

SHARE = 0.001
"""Of the resource that names its machine: the measurers of several searches may be there."""


@ray.remote(num_cpus=0, max_restarts=-1, runtime_env={"env_vars": {LIGHT: "1"}})
class Measurer:
    """Measures exported files; keeps no results, so that a lost measurer is made anew."""

    def __init__(self, space: PortableSpace) -> None:
        self.space = space
        self.is_loaded = False

    def calibrate(
        self, file: bytes, inputs: NDArray[np.generic], targets: NDArray[np.generic]
    ) -> Measurement:
        """The figures of a file by itself; shapes as in `measure`.

        The space file is not loaded: a metric of its own that raises would end the search.
        """
        return measure(file, inputs, targets)

    def measure(
        self,
        file: bytes,
        inputs: NDArray[np.generic],
        targets: NDArray[np.generic],
        reference: Reference,
    ) -> tuple[Measurement, float]:
        """The figures of a file, taken in turn with the reference, and the seconds spent.

        `inputs` are raw rows (rows, ...), `targets` class numbers (rows,) or numbers
        (rows, outputs). The space file is loaded before, for the metrics that it defines.
        Raises UserError when the space file raises, and what a metric raises.
        """
        started = time.perf_counter()
        if not self.is_loaded:
            self.space.load()
            self.is_loaded = True
        measurement = measure(file, inputs, targets, reference)
        return measurement, time.perf_counter() - started


@dataclass(frozen=True)
class MeasurerHandle:
    """A measurer's actor, and in Ray's store the `Reference` that it measures in turn with."""

    actor: ActorHandle
    reference: ObjectRef

    @classmethod
    def calibrated(
        cls, space: PortableSpace, file: bytes, split: Split, resource: str | None = None
    ) -> tuple[MeasurerHandle, Measurement]:
        """A new measurer that measures in turn with this file, and the file's own figures.

        Raises UserError when no node has the resource.
        """
        actor = _start(space, resource)
        measurement = _ask(actor.calibrate, file, split.inputs, split.targets)
        return cls(actor, ray.put(Reference(file, measurement.latency_ms))), measurement

    @classmethod
    def of(
        cls, space: PortableSpace, reference: Reference, resource: str | None = None
    ) -> MeasurerHandle:
        """A new measurer whose figures are comparable to those of an earlier one.

        Raises UserError when no node has the resource.
        """
        return cls(_start(space, resource), ray.put(reference))


def _start(space: PortableSpace, resource: str | None) -> ActorHandle:
    """A new measurer, on a node that has this resource where one is named."""
    if resource is None:
        return Measurer.remote(space)  # type: ignore[attr-defined]
    if not ray.cluster_resources().get(resource):
        raise UserError(
            f"--measure-on {resource}: no node of the cluster has this resource; start one there: "
            f"ray start --address HEAD:6379 --resources '{{\"{resource}\": 1}}'"
        )
    return Measurer.options(resources={resource: SHARE}).remote(space)  # type: ignore[attr-defined]


class MeasurerClient:
    """The measurer as a trial calls it; counts the seconds spent waiting in its queue."""

    def __init__(self, handle: MeasurerHandle) -> None:
        self.handle = handle
        self.waited_seconds = 0.0
        self.sent: tuple[Split, list[ObjectRef]] | None = None

    def __call__(self, file: bytes, split: Split) -> Measurement:
        """The figures of a file on the rows of a split. Raises what the measurer raised."""
        started = time.perf_counter()
        if self.sent is None or self.sent[0] is not split:
            self.sent = split, [ray.put(split.inputs), ray.put(split.targets)]
        actor, reference = self.handle.actor, self.handle.reference
        measurement: Measurement
        measurement, seconds = _ask(actor.measure, file, *self.sent[1], reference)
        self.waited_seconds += time.perf_counter() - started - seconds
        return measurement


@patient(lambda error: isinstance(error, (RayActorError, OutOfMemoryError)))
def _ask(method: ActorMethod, *arguments: object) -> Any:
    """The answer of a measurer's method.

    Ray makes a measurer that was lost anew as soon as it notices. The memory monitor may end
    one for what other processes hold. Raises what the method raised.
    """
    try:
        return ray.get(method.remote(*arguments))
    except RayTaskError as error:
        raise error.cause from None
