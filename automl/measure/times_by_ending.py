"""Files of several formats timed in turn, each on the runtime that its ending stands for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from automl.errors import UserError, described
from automl.measure.file_times import FileTimes, TimedFiles, random_rows, remarks
from automl.measure.latency import alone, timed
from automl.measure.machine import machine
from automl.measure.whole_file import loaded, whole
from automl.runtimes.onnx import OnnxRuntime, nodes_by_provider
from automl.runtimes.own_formats import ExecuTorch, LiteRT
from automl.space.runtime import Runtime

ENDINGS: dict[str, type[Runtime]] = {".pte": ExecuTorch, ".tflite": LiteRT}


def times_by_ending(files: Sequence[Path], runtime: OnnxRuntime) -> TimedFiles:
    """The times of files; each after the first is timed in turn with the first. A `.pte` and a
    `.tflite` run with zeros on their own runtimes, with as many threads and rows.

    Raises UserError when a file is not there or cannot be run, or a runtime is missing.
    """
    found, reference = list[FileTimes](), None
    for path in files:
        on = _runtime(path, runtime)
        # Rows of no shape that a file takes become zeros of one.
        rows = np.zeros((on.batch, 0)) if on.format else random_rows(path, on.batch)
        try:
            timing = timed(path, rows, reference or alone(on), on=on)
            nodes = {} if on.format else nodes_by_provider(path, runtime, rows)
        except Exception as error:
            raise UserError(f"{on.name} cannot run {path}: {described(error)}") from None
        told = [] if on.format else remarks(loaded(path), on.batch)
        found.append(FileTimes.of(path, timing, nodes, told))
        reference = reference or found[0].reference(whole(path), on, rows)
    return TimedFiles(found, runtime, machine())


def are_of_own_formats(files: Sequence[Path]) -> bool:
    """True where a file is not for onnxruntime."""
    return any(path.suffix in ENDINGS for path in files)


def _runtime(path: Path, runtime: OnnxRuntime) -> Runtime:
    """The runtime of a file. Raises UserError where there is none, or no file."""
    if not path.is_file():
        raise UserError(f"there is no file {path}; check the path")
    if path.suffix not in ENDINGS:
        return runtime
    own = ENDINGS[path.suffix](threads=runtime.threads, batch=runtime.batch)
    own.check_ranges()
    own.check_here()
    return own
