"""Latency that a busy machine does not blur, by shuffled calls, thread time, a low quantile."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from automl.runtimes import onnx
from automl.runtimes.onnx import Session

ROUNDS = 100
QUANTILE = 0.1


def latency_ms(
    sessions: Sequence[Session],
    row: NDArray[np.generic],
    rounds: int = ROUNDS,
) -> list[float]:
    """Milliseconds per call of each one-thread session, all taken in the same loop.

    `row` is an input of one row (1, ...); a session that takes rows of another shape, such as
    texts of another length, gets one of zeros. In each round every session is
    called once untimed and once timed, in shuffled order. The thread's own time leaves out what
    other processes took.
    """
    rng = random.Random(0)
    feeds = [(loaded, {loaded.get_inputs()[0].name: _fitting(loaded, row)}) for loaded in sessions]
    times: list[list[float]] = [[] for _ in sessions]
    order = list(range(len(sessions)))
    for _ in range(rounds):
        rng.shuffle(order)
        for i in order:
            loaded, feed = feeds[i]
            loaded.run(None, feed)
            started = time.thread_time()
            loaded.run(None, feed)
            times[i].append((time.thread_time() - started) * 1e3)
    return [float(np.quantile(taken, QUANTILE)) for taken in times]


def _fitting(loaded: Session, row: NDArray[np.generic]) -> NDArray[np.generic]:
    """The row, or zeros where its shape is not one that the session takes."""
    taken = onnx.row_shape(loaded)
    return row if (1, *taken) == row.shape else np.zeros((1, *taken), row.dtype)
