"""The times of a search's files, kept in the store by structure: equal files have one latency.

Latency goes with what runs, the structure that a runtime makes of a file when it loads it: there
files whose weights are stored in fewer bits, or without their zeros, are equal. The time to load
goes with the file's own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import astuple, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.config import canonical
from automl.measure.latency import Estimate, Reference, Timing, timed
from automl.measure.structure import structure
from automl.runtimes import onnx
from automl.runtimes.onnx import ONE_THREAD, OnnxRuntime
from automl.runtimes.providers import CPU
from automl.store import Store

Take: TypeAlias = Callable[[bytes, NDArray[np.generic], Reference, Estimate | None], Timing]
"""Takes the times of a file on a raw row beside a reference; its latency may be known already."""


def calibration(reference: Reference) -> str:
    """The key in the store of all that is measured in turn with a reference on its runtime."""
    times = f"{reference.latency_ms!r} {reference.load_ms!r} "
    runtime = "" if reference.runtime == ONE_THREAD else f"{canonical(reference.runtime)} "
    text = f"timings {times}{runtime}".encode()
    return hashlib.sha256(text + reference.file).hexdigest()


class KeptTimings:
    """The times in the store that were taken beside a reference, on machines of one kind.

    `take` takes those that are not there yet, in this process unless given.
    """

    def __init__(self, store: Store, calibration: str, kind: str, take: Take | None = None) -> None:
        # As a checkpoint's, the key is kept and dropped with what stands before the @.
        self.store, self.key = store, f"{calibration}@{hashlib.sha256(kind.encode()).hexdigest()}"
        self.kind, self.take = kind, take or timed_here

    def find(self, own: str) -> Timing | None:
        """The times of a file of this structure, if there are any."""
        found = self.store.read(self.key, f"{own}.json")
        if found is None:
            return None
        latency, load, *note = json.loads(found)
        return Timing(Estimate(*latency), Estimate(*load), "".join(note), machine=self.kind)

    def time(self, own: str, file: bytes, row: NDArray[np.generic], reference: Reference) -> Timing:
        """The times of a file on a raw row (1, ...): those kept, or taken now and kept.

        `own` is the structure of the model's ONNX file; the file given is in the runtime's format.
        """
        if found := self.find(own):
            return found
        running = self._running(own, file, reference)
        kept = self.store.read(self.key, running)
        known = None if kept is None else Estimate(*json.loads(kept))
        timing = self.take(file, row, reference, known)
        if timing.machine not in ("", self.kind):
            return replace(timing, note=f"timed on {timing.machine}, the search on {self.kind}")
        timing = replace(timing, machine=self.kind)
        latency, load = astuple(timing.latency), astuple(timing.load)
        note = [timing.note] * bool(timing.note)
        figures = {running: latency, f"{own}.json": (latency, load, *note)}
        self.store.write(self.key, {n: json.dumps(own).encode() for n, own in figures.items()})
        return timing

    def _running(self, own: str, file: bytes, reference: Reference) -> str:
        """The name under which the latency of files that run alike is kept."""
        runtime = reference.runtime
        is_optimised = isinstance(runtime, OnnxRuntime) and runtime.provider == CPU
        return f"latency-{structure(onnx.optimised(file)) if is_optimised else own}.json"


def timed_here(
    file: bytes, row: NDArray[np.generic], reference: Reference, latency: Estimate | None
) -> Timing:
    """The times of a file in this process, with a note on what its runtime leaves to others."""
    timing = timed(file, row, reference, latency)
    return replace(timing, note=reference.runtime.note(file, row))
