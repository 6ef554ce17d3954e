"""Figures of an exported file, read off the file through its runtime."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl import quality
from automl.config import Config
from automl.errors import UserError
from automl.measure.latency import latency_ms
from automl.runtimes import onnx
from automl.standard_errors import standard_errors


@dataclass(frozen=True)
class Measurement(Config):
    """Figures of an exported file: `quality` holds every metric of the task.

    `latency_ms` is of one row on one thread. `uncertainty` holds the standard error of each figure
    that has one, in the figure's own unit; a figure that is not in it is exact.
    """

    quality: dict[str, float]
    size_bytes: int
    latency_ms: float
    load_ms: float
    train_seconds: float = 0.0
    uncertainty: dict[str, float] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, float]:
        """All figures by name, the metrics among them."""
        own = {name: value for name, value in vars(self).items() if isinstance(value, (int, float))}
        return {**self.quality, **own}


@dataclass(frozen=True)
class Reference(Config):
    """A file that is measured in turn with each other file, and its latency at the beginning."""

    file: bytes
    latency_ms: float


def measure(
    file: bytes,
    inputs: NDArray[np.generic],
    targets: NDArray[np.generic],
    reference: Reference | None = None,
) -> Measurement:
    """Quality on the rows given, size, latency and load time of a file.

    `inputs` are raw rows (rows, ...), `targets` class numbers (rows,), or numbers
    (rows, outputs). With a reference the latency is the ratio to the reference's, taken in the
    same loop, times the reference's at the beginning: figures taken hours apart on a busy
    machine stay comparable.
    """
    started = time.perf_counter()
    loaded = onnx.session(file)
    load_ms = (time.perf_counter() - started) * 1e3
    row = inputs[:1]
    if reference is None:
        (latency,) = latency_ms([loaded], row)
    else:
        own, other = latency_ms([loaded, onnx.session(reference.file)], row)
        latency = own / other * reference.latency_ms
    outputs = onnx.run(loaded, inputs)
    return Measurement(
        quality=quality.measured(outputs, targets),
        size_bytes=len(file),
        latency_ms=latency,
        load_ms=load_ms,
        uncertainty=standard_errors(outputs, targets),
    )


def measure_file(path: Path) -> dict[str, float]:
    """Bytes, load time and latency of a file, on a random row of its input's shape.

    Raises UserError when onnxruntime cannot load the file.
    """
    started = time.perf_counter()
    try:
        loaded = onnx.session(path)
    except Exception as error:
        raise UserError(f"onnxruntime cannot load {path}: {error}") from None
    load_ms = (time.perf_counter() - started) * 1e3
    shape = (1, *onnx.row_shape(loaded))
    # Codes of categories are below 1, so that every column has them.
    largest = 1 if onnx.takes_columns(loaded) else 100
    row = np.random.default_rng(0).uniform(0, largest, shape)
    (latency,) = latency_ms([loaded], row)
    return {"size_bytes": path.stat().st_size, "load_ms": load_ms, "latency_ms": latency}


def machine() -> dict[str, str]:
    """The machine and the runtime that figures are taken on, by name."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "python": platform.python_version(),
        "onnxruntime": onnx.VERSION,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()
