"""Figures of an exported file, read off the file through its runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl import quality
from automl.config import Config
from automl.measure.compressed_bytes import compressed_bytes
from automl.measure.latency import Reference, Timing, alone, timed, together
from automl.runtimes import onnx
from automl.runtimes.onnx import ONE_THREAD
from automl.standard_errors import standard_errors

LATER = {"macs": None, "peak_activation_bytes": None}
LATER_FIGURES = ("compressed_bytes", *LATER)
"""Figures that older versions did not measure."""


@dataclass(frozen=True)
class Measurement(Config):
    """Figures of an exported file: `quality` holds every metric of the task.

    `latency_ms` is of a call on the first runtime, by default of one row on one thread, `further`
    are the figures on other runtimes, such as `openvino/latency_ms`, and `machine` is the kind of
    machine that took the times. `uncertainty` holds the standard error of each figure that has
    one, in the figure's own unit; a figure that is not in it is exact.
    `macs` are the multiply-accumulates for one row. `compressed_bytes`, `macs` and
    `peak_activation_bytes` are None, and the `sha256` of the file is empty, where older versions
    measured.
    """

    later_fields: ClassVar = {"further": {}, "machine": "", "sha256": "", **LATER}

    quality: dict[str, float]
    size_bytes: int
    latency_ms: float
    load_ms: float
    train_seconds: float = 0.0
    compressed_bytes: int | None = None
    uncertainty: dict[str, float] = field(default_factory=dict)
    further: dict[str, float] = field(default_factory=dict)
    machine: str = ""
    sha256: str = ""
    macs: int | None = None
    peak_activation_bytes: int | None = None

    @property
    def figures(self) -> dict[str, float]:
        """All figures by name, the metrics among them."""
        later = {n: value for n in LATER_FIGURES if (value := getattr(self, n)) is not None}
        return {
            **self.quality,
            "size_bytes": self.size_bytes,
            **later,
            "latency_ms": self.latency_ms,
            "load_ms": self.load_ms,
            **self.further,
            "train_seconds": self.train_seconds,
        }


Make: TypeAlias = Callable[[str], bytes]
"""Writes a model in a format, for runtimes that do not take its ONNX file."""
Timer: TypeAlias = Callable[[bytes, NDArray[np.generic], Make], Callable[[], Timing]]
"""Begins to time a file on a raw row (1, ...), and what is made of its model for other runtimes;
what it returns waits until that is done."""


def timer(reference: Reference | None = None) -> Timer:
    """A timer of this process, which times a file when its figures are asked for."""
    return lambda file, row, make: partial(timed, file, row, reference)


class Metrics(NamedTuple):
    """The metrics of a file's answers, and the standard errors of those that have one."""

    figures: dict[str, float]
    errors: dict[str, float]


def metrics(answers: NDArray[np.generic], targets: NDArray[np.generic]) -> Metrics:
    """The metrics of a file's answers (rows, outputs); `targets` as in `measure`."""
    return Metrics(quality.measured(answers, targets), standard_errors(answers, targets))


def measurement(
    file: bytes, known: Metrics, timing: Timing, row: NDArray[np.generic]
) -> Measurement:
    """The figures of a file of which its metrics, its times and a raw row (1, ...) are known."""
    # Looks at a front read measurements, and need no onnx.
    from automl.measure.work import work

    times, done = timing.figures, work(file, row)
    return Measurement(
        quality=known.figures,
        size_bytes=len(file),
        latency_ms=timing.latency.value,
        load_ms=timing.load.value,
        compressed_bytes=compressed_bytes(file),
        uncertainty={**known.errors, **{name: own.error for name, own in times.items()}},
        further={n: own.value for n, own in times.items() if "/" in n} | timing.sizes,
        machine=timing.machine,
        sha256=hashlib.sha256(file).hexdigest(),
        macs=done.macs,
        peak_activation_bytes=done.peak_activation_bytes,
    )


def measure(
    file: bytes,
    inputs: NDArray[np.generic],
    targets: NDArray[np.generic],
    beside: Mapping[str, Reference] | None = None,
) -> Measurement:
    """Quality on the rows given, size, latency and load time of a file, the times beside the
    reference on each runtime, by its name; by default alone on one thread.

    `inputs` are raw rows (rows, ...), `targets` class numbers (rows,), or numbers
    (rows, outputs).
    """
    own = metrics(onnx.run(onnx.session(file), inputs), targets)
    return with_times(file, own, inputs[:1], beside)


def with_times(
    file: bytes,
    known: Metrics,
    row: NDArray[np.generic],
    beside: Mapping[str, Reference] | None = None,
) -> Measurement:
    """The figures of a file of which its metrics are known, timed on a raw row (1, ...) as in
    `measure`."""
    on = beside or {ONE_THREAD.name: alone()}
    taken = {name: timed(file, row, reference) for name, reference in on.items()}
    return measurement(file, known, together(taken), row)
