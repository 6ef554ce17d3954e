"""Every figure we show, read off the exported file through its runtime."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl import quality
from automl.config import Config
from automl.errors import UserError
from automl.measure.latency import latency_ms
from automl.runtimes import onnx


@dataclass(frozen=True)
class Measurement(Config):
    """Figures of one exported file: `quality` holds every metric of the task; latency is of
    one row on one thread."""

    quality: dict[str, float]
    size_bytes: int
    latency_ms: float
    load_ms: float
    train_seconds: float = 0.0

    @property
    def figures(self) -> dict[str, float]:
        """All of them by name, in one flat dict."""
        others = {name: value for name, value in vars(self).items() if name != "quality"}
        return {**self.quality, **others}


@dataclass(frozen=True)
class Reference(Config):
    """A file measured in turn with each other, and its latency when the search began."""

    file: bytes
    latency_ms: float


def measure(
    file: bytes,
    inputs: NDArray[Any],
    targets: NDArray[Any],
    reference: Reference | None = None,
) -> Measurement:
    """Quality on the rows given, size, latency and load time of a file.

    With a reference the latency is the ratio to it, taken in the same loop, times its
    own: figures taken hours apart on a busy machine stay comparable.
    """
    started = time.perf_counter()
    loaded = onnx.session(file)
    load_ms = (time.perf_counter() - started) * 1e3
    row = onnx.as_fed(loaded, inputs[:1])
    if reference is None:
        (latency,) = latency_ms([loaded], row)
    else:
        own, other = latency_ms([loaded, onnx.session(reference.file)], row)
        latency = own / other * reference.latency_ms
    return Measurement(
        quality=quality.measured(onnx.run(loaded, inputs), targets),
        size_bytes=len(file),
        latency_ms=latency,
        load_ms=load_ms,
    )


def measure_file(path: Path) -> dict[str, float]:
    """Bytes, load time and latency of one file, on random rows of its input's shape."""
    started = time.perf_counter()
    try:
        loaded = onnx.session(path)
    except Exception as error:
        raise UserError(f"onnxruntime cannot load {path}: {error}") from None
    load_ms = (time.perf_counter() - started) * 1e3
    shape = [1, *loaded.get_inputs()[0].shape[1:]]
    row = onnx.as_fed(loaded, np.random.default_rng(0).uniform(0, 100, shape))
    (latency,) = latency_ms([loaded], row)
    return {"size_bytes": path.stat().st_size, "load_ms": load_ms, "latency_ms": latency}


def machine() -> dict[str, str]:
    """What the figures were taken on."""
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
