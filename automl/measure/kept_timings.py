"""The times of a search's files, kept in the store by structure: equal files have one latency.

Latency goes with what runs, the structure that a runtime makes of a file when it loads it: there
files whose weights are stored in fewer bits, or without their zeros, are equal. The time to load
goes with the file's own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple

import numpy as np
from numpy.typing import NDArray

from automl.measure.latency import Estimate, Reference, Timing, timed
from automl.measure.structure import structure
from automl.runtimes import onnx
from automl.store import Store


def calibration(reference: Reference) -> str:
    """The key in the store of all that is measured in turn with a reference."""
    parts = f"{reference.latency_ms!r} {reference.load_ms!r} ".encode(), reference.file
    return hashlib.sha256(b"timings " + b"".join(parts)).hexdigest()


class KeptTimings:
    """The times in the store that were taken beside a reference, on machines of one kind."""

    def __init__(self, store: Store, calibration: str, kind: str) -> None:
        # As a checkpoint's, the key is kept and dropped with what stands before the @.
        self.store, self.key = store, f"{calibration}@{hashlib.sha256(kind.encode()).hexdigest()}"

    def find(self, own: str) -> Timing | None:
        """The times of a file of this structure, if there are any."""
        found = self.store.read(self.key, f"{own}.json")
        if found is None:
            return None
        latency, load = json.loads(found)
        return Timing(Estimate(*latency), Estimate(*load))

    def time(self, file: bytes, row: NDArray[np.generic], reference: Reference) -> Timing:
        """The times of a file on a raw row (1, ...): those kept, or taken now and kept."""
        own = structure(file)
        if found := self.find(own):
            return found
        running = f"latency-{structure(onnx.optimised(file))}.json"
        kept = self.store.read(self.key, running)
        timing = timed(file, row, reference, None if kept is None else Estimate(*json.loads(kept)))
        latency, load = astuple(timing.latency), astuple(timing.load)
        figures = {running: latency, f"{own}.json": (latency, load)}
        self.store.write(self.key, {n: json.dumps(own).encode() for n, own in figures.items()})
        return timing
