"""Timing files in actors of their own, away from the trials: one on each machine of a kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import ray
from numpy.typing import NDArray
from ray import ObjectRef
from ray.actor import ActorHandle
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from automl.cluster.measurer import Measurer
from automl.data.dataset import Split
from automl.errors import UserError
from automl.measure.device import Device
from automl.measure.kept_timings import KeptTimings, calibration
from automl.measure.latency import Reference, Timing, references, sized, together
from automl.measure.machine import chosen_kind
from automl.measure.measurement import Make, Measurement
from automl.measure.structure import structure
from automl.retry import patient
from automl.space.runtime import ONNX, Runtime
from automl.store import Store

Ask: TypeAlias = Callable[[str | None], ObjectRef]
SHARE = 0.001
"""Of the resource that names its machine: the measurers of several searches may be there."""
LOST = (RayActorError, OutOfMemoryError)


@dataclass(frozen=True)
class Beside:
    """The reference that files are timed in turn with on one runtime, in Ray's store, the key of
    what has been measured so, and the format of the files that the runtime takes."""

    reference: ObjectRef
    calibrated: str
    format: str = ONNX

    @classmethod
    def of(cls, reference: Reference) -> Beside:
        return cls(ray.put(reference), calibration(reference), reference.runtime.format)


@dataclass(frozen=True)
class Where:
    """The place that times files: the nodes that have a resource where one is named, or a device;
    and the kind of machine that has timed a search up to now, if one has."""

    resource: str | None = None
    device: Device | None = None
    kind: str = ""


@dataclass(frozen=True)
class Measurers:
    """The measurers of a search, and what they measure in turn with on each runtime, by its name.

    `kind` is that of their machines; `notes` are what the user should know of how they measure.
    """

    actors: tuple[ActorHandle, ...]
    kind: str
    beside: Mapping[str, Beside]
    notes: tuple[str, ...] = ()

    @classmethod
    def calibrate(
        cls,
        store: Store,
        files: Mapping[str, bytes],
        split: Split,
        has_learned: bool,
        runtimes: Mapping[str, Runtime],
        where: Where = Where(),
    ) -> tuple[Measurers, Measurement]:
        """New measurers that measure in turn with this model, whose files are given by format, and
        its own figures: with its quality where it `has_learned`.

        Raises UserError when no node has the resource.
        """
        found = _start(store, where)
        rows = (split.inputs, split.targets) if has_learned else (split.inputs[:1], None)
        ask = partial(found.actors[0].calibrate.remote, files, *rows, runtimes)
        figures, note = _patient_answer(ask)
        notes = (*found.notes, f"the reference: {note}") if note else found.notes
        beside = {
            name: Beside.of(one)
            for name, one in references(files, figures.figures, runtimes).items()
        }
        return replace(found, beside=beside, notes=notes), figures

    @classmethod
    def of(
        cls,
        store: Store,
        references: Mapping[str, Reference],
        where: Where = Where(),
    ) -> Measurers:
        """New measurers whose figures are comparable to those of earlier ones.

        Raises UserError when no node has the resource, or none is of the kind.
        """
        beside = {name: Beside.of(one) for name, one in references.items()}
        return replace(_start(store, where), beside=beside)

    def close(self) -> None:
        """End the measurers: in a session that goes on, as a notebook's, they would stay."""
        for actor in self.actors:
            ray.kill(actor)


class MeasurerClient:
    """The measurers as a trial calls them; counts the seconds spent waiting in their queues."""

    def __init__(self, measurers: Measurers, store: Store) -> None:
        self.measurers, self.store = measurers, store
        self.waited_seconds = 0.0

    def __call__(self, file: bytes, row: NDArray[np.generic], make: Make) -> Callable[[], Timing]:
        """Begin to time a file on a raw row (1, ...), or what is made of its model, where a runtime
        takes no ONNX file; what is returned waits for it. Raises Rejected where none can be made.

        A structure always has the same measurer, where it is timed once on each runtime.
        """
        own, beside = structure(file), self.measurers.beside
        files = {n: make(one.format) if one.format else file for n, one in beside.items()}
        begun = {n: self._begin(own, files[n], row, one) for n, one in beside.items()}
        return lambda: together(
            {n: sized(wait(), files[n], beside[n].format) for n, wait in begun.items()}
        )

    def _begin(
        self, own: str, file: bytes, row: NDArray[np.generic], beside: Beside
    ) -> Callable[[], Timing]:
        kept = KeptTimings(self.store, beside.calibrated, self.measurers.kind)
        if found := kept.find(own):
            return lambda: found
        actors = self.measurers.actors
        first = int(own, 16) % len(actors)
        known = beside.reference, beside.calibrated

        def asking(actor: ActorHandle, kind: str | None) -> ObjectRef:
            asked: ObjectRef = actor.time.remote(own, file, row, *known, kind)
            return asked

        asks = [partial(asking, actor) for actor in (*actors[first:], *actors[:first])]
        return partial(self._wait, [asks[0](self.measurers.kind)], asks)

    def _wait(self, begun: list[ObjectRef], asks: Sequence[Ask]) -> Timing:
        """The times of a file, of which the first measurer was asked. Raises what it raised."""
        started = time.perf_counter()
        timing, seconds = _any_answer(begun, asks, self.measurers.kind)
        self.waited_seconds += max(0.0, time.perf_counter() - started - seconds)
        return timing


def _start(store: Store, where: Where) -> Measurers:
    """New measurers on nodes of one kind, or one for a device.

    Raises UserError where none is of the kind that has measured up to now.
    """
    actors, resource = [], where.resource
    for node in _nodes(resource)[: 1 if where.device else None]:
        # When its node is gone, Ray makes it anew on another.
        affinity = NodeAffinitySchedulingStrategy(node, soft=True)
        options = {"resources": {resource: SHARE}} if resource else {}
        measurer = Measurer.options(  # type: ignore[attr-defined]
            scheduling_strategy=affinity, **options
        )
        actors.append(measurer.remote(store.url, store.identity, where.device))
    kinds = [_patient_answer(actor.tell_kind.remote) for actor in actors]
    kind, told = chosen_kind(kinds, where.kind)
    for actor, own in zip(actors, kinds, strict=True):
        if own != kind:
            ray.kill(actor)
    like = tuple(actor for actor, own in zip(actors, kinds, strict=True) if own == kind)
    return Measurers(like, kind, {}, told)


def _nodes(resource: str | None) -> list[str]:
    """The live nodes that may measure, the driver's own first.

    Raises UserError when none has the resource.
    """
    own = ray.get_runtime_context().get_node_id()
    alive = sorted(
        (node for node in ray.nodes() if node["Alive"]), key=lambda node: node["NodeID"] != own
    )
    able = [node["NodeID"] for node in alive if node["Resources"].get(resource or "CPU")]
    if resource is not None and not able:
        raise UserError(
            f"--measure-on {resource}: no node of the cluster has this resource; start one there: "
            f"ray start --address HEAD:6379 --resources '{{\"{resource}\": 1}}'"
        )
    return able or [own]


@patient(lambda error: isinstance(error, LOST))
def _any_answer(begun: list[ObjectRef], asks: Sequence[Ask], kind: str) -> tuple[Timing, float]:
    """The first answer of measurers that are asked one after the other; the first may be `begun`.

    Ray makes a measurer that was lost anew as soon as it notices. The memory monitor may end
    one for what other processes hold. Where all came to be on machines of another kind, one of
    them answers nevertheless, and says so. Raises what a measurer raised.
    """
    lost: Exception | None = None
    for ask in asks:
        try:
            timing, seconds = _answer(begun.pop() if begun else ask(kind))
        except LOST as error:
            lost = error
        else:
            if timing is not None:
                return timing, seconds
    if lost is not None:
        raise lost
    timing, seconds = _answer(asks[0](None))
    return replace(timing, note=f"no machine with {kind} was left to measure its latency"), seconds


@patient(lambda error: isinstance(error, LOST))
def _patient_answer(ask: Callable[[], ObjectRef]) -> Any:
    """The answer of a measurer that may be lost, and made anew, meanwhile."""
    return _answer(ask())


def _answer(asked: ObjectRef) -> Any:
    """The answer of a measurer. Raises what it raised."""
    try:
        return ray.get(asked)
    except RayTaskError as error:
        raise error.cause from None
