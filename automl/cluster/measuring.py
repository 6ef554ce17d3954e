"""Timing files in actors of their own, away from the trials: one on each machine of a kind."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
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

from automl.cluster.ray_environment import LIGHT
from automl.data.dataset import Split
from automl.errors import UserError
from automl.measure.kept_timings import KeptTimings, calibration
from automl.measure.latency import Reference, Timing, timed
from automl.measure.machine import machine
from automl.measure.measurement import Measurement, Metrics, measure, measurement
from automl.measure.structure import structure
from automl.retry import patient
from automl.store import Store

Ask: TypeAlias = Callable[[str | None], ObjectRef]
SHARE = 0.001
"""Of the resource that names its machine: the measurers of several searches may be there."""
LOST = (RayActorError, OutOfMemoryError)


@ray.remote(num_cpus=0, max_restarts=-1, runtime_env={"env_vars": {LIGHT: "1"}})
class Measurer:
    """Times files, one after the other; the store keeps the results, so that a lost measurer is
    made anew."""

    def __init__(self, store_url: str, store_identity: str) -> None:
        self.store, self.kind = Store(store_url, store_identity), _kind()

    def tell_kind(self) -> str:
        """The kind of machine that the measurer is on."""
        return self.kind

    def calibrate(
        self, file: bytes, inputs: NDArray[np.generic], targets: NDArray[np.generic] | None
    ) -> Measurement:
        """The figures of a file by itself, raw rows (rows, ...) given: without its quality where
        there are no targets.

        No space file is loaded: a metric of its own that raises would end the search.
        """
        if targets is None:
            return measurement(file, Metrics({}, {}), timed(file, inputs[:1]))
        return measure(file, inputs, targets)

    def time(
        self,
        file: bytes,
        row: NDArray[np.generic],
        reference: Reference,
        calibrated: str,
        kind: str | None,
    ) -> tuple[Timing | None, float]:
        """The times of a file on a raw row (1, ...), and the seconds that were spent.

        None where the measurer came to a machine of another kind, or one without the store.
        """
        started = time.perf_counter()
        timing = None
        if kind is None or (kind == self.kind and self.store.is_here()):
            timing = KeptTimings(self.store, calibrated, self.kind).time(file, row, reference)
        return timing, time.perf_counter() - started


@dataclass(frozen=True)
class Measurers:
    """The measurers of a search, and in Ray's store the `Reference` that they measure in turn with.

    `kind` is that of their machines, `calibrated` the key of what they have measured; `left_out`
    says which machines do not measure.
    """

    actors: tuple[ActorHandle, ...]
    kind: str
    reference: ObjectRef
    calibrated: str
    left_out: str = ""

    @classmethod
    def calibrate(
        cls, store: Store, file: bytes, split: Split, has_learned: bool, resource: str | None = None
    ) -> tuple[Measurers, Measurement]:
        """New measurers that measure in turn with this file, and the file's own figures: with
        its quality where it `has_learned`.

        Raises UserError when no node has the resource.
        """
        actors, kind, left_out = _start(store, resource)
        rows = (split.inputs, split.targets) if has_learned else (split.inputs[:1], None)
        figures: Measurement = _patient_answer(partial(actors[0].calibrate.remote, file, *rows))
        reference = Reference(file, figures.latency_ms, figures.load_ms)
        return cls(actors, kind, ray.put(reference), calibration(reference), left_out), figures

    @classmethod
    def of(cls, store: Store, reference: Reference, resource: str | None = None) -> Measurers:
        """New measurers whose figures are comparable to those of earlier ones.

        Raises UserError when no node has the resource.
        """
        actors, kind, left_out = _start(store, resource)
        return cls(actors, kind, ray.put(reference), calibration(reference), left_out)

    def close(self) -> None:
        """End the measurers: in a session that goes on, as a notebook's, they would stay."""
        for actor in self.actors:
            ray.kill(actor)


class MeasurerClient:
    """The measurers as a trial calls them; counts the seconds spent waiting in their queues."""

    def __init__(self, measurers: Measurers, store: Store) -> None:
        self.measurers = measurers
        self.kept = KeptTimings(store, measurers.calibrated, measurers.kind)
        self.waited_seconds = 0.0

    def __call__(self, file: bytes, row: NDArray[np.generic]) -> Callable[[], Timing]:
        """Begin to time a file on a raw row (1, ...); what is returned waits for it.

        A structure always has the same measurer, where it is timed once.
        """
        own = structure(file)
        if found := self.kept.find(own):
            return lambda: found
        actors = self.measurers.actors
        first = int(own, 16) % len(actors)
        asks = [partial(self._ask, file, row, a) for a in (*actors[first:], *actors[:first])]
        return partial(self._wait, [asks[0](self.measurers.kind)], asks)

    def _ask(
        self, file: bytes, row: NDArray[np.generic], actor: ActorHandle, kind: str | None
    ) -> ObjectRef:
        known = self.measurers.reference, self.measurers.calibrated
        asked: ObjectRef = actor.time.remote(file, row, *known, kind)
        return asked

    def _wait(self, begun: list[ObjectRef], asks: Sequence[Ask]) -> Timing:
        """The times of a file, of which the first measurer was asked. Raises what it raised."""
        started = time.perf_counter()
        timing, seconds = _any_answer(begun, asks, self.measurers.kind)
        self.waited_seconds += max(0.0, time.perf_counter() - started - seconds)
        return timing


def chosen_kind(kinds: Sequence[str]) -> tuple[str, str]:
    """The kind that most machines are of, and a sentence on those that are left out, or ""."""
    [(kind, count)] = Counter(kinds).most_common(1)
    if count == len(kinds):
        return kind, ""
    others = ", ".join(dict.fromkeys(own for own in kinds if own != kind))
    return kind, (
        f"latency is measured on {count} of {len(kinds)} machines, those with {kind}; figures of "
        f"others ({others}) would not compare"
    )


def _start(store: Store, resource: str | None) -> tuple[tuple[ActorHandle, ...], str, str]:
    """New measurers on nodes of one kind, which have this resource where one is named: with the
    kind, and a sentence on the nodes left out."""
    actors = []
    for node in _nodes(resource):
        # When its node is gone, Ray makes it anew on another.
        affinity = NodeAffinitySchedulingStrategy(node, soft=True)
        options = {"resources": {resource: SHARE}} if resource else {}
        measurer = Measurer.options(  # type: ignore[attr-defined]
            scheduling_strategy=affinity, **options
        )
        actors.append(measurer.remote(store.url, store.identity))
    kinds = [_patient_answer(actor.tell_kind.remote) for actor in actors]
    kind, left_out = chosen_kind(kinds)
    for actor, own in zip(actors, kinds, strict=True):
        if own != kind:
            ray.kill(actor)
    like = tuple(actor for actor, own in zip(actors, kinds, strict=True) if own == kind)
    return like, kind, left_out


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


def _kind() -> str:
    """The kind of this machine: figures of two kinds do not compare."""
    known = machine()
    return f"{known['processor']}, onnxruntime {known['onnxruntime']}"


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
