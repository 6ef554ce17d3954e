"""The work of a file for one row: its multiply-accumulates, and the memory of its activations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from automl.measure.activation_memory import peak_activation_bytes
from automl.measure.macs import macs_by_node
from automl.measure.numbered_graph import numbered
from automl.runtimes.onnx import fed, session, stated_batch


class Work(NamedTuple):
    """The multiply-accumulates for one row, and the most bytes of a call's activations: of one row,
    or of as many as the file states."""

    macs: int
    peak_activation_bytes: int


def work(file: bytes, row: NDArray[np.generic]) -> Work:
    """The work of a file for a raw row (1, ...), counted and not timed: the same wherever."""
    graph = numbered(onnx.load_from_string(file))
    loaded = session(file)
    feed = fed(loaded, row)
    macs = macs_by_node(graph, feed).total() // (stated_batch(loaded) or 1)
    return Work(macs, peak_activation_bytes(graph.file, feed))
