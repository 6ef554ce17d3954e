"""Latency and load time that a busy machine does not blur, each with its standard error.

Both are medians over blocks, as many as make the figure sure. In a block a file is loaded anew,
since where its memory lies changes its speed for as long as it is loaded, and called in turn with
the reference, in shuffled order. What counts is the thread's own time, of calls a low quantile, and
of both files the ratio.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl.runtimes.onnx import ONE_THREAD, OnnxRuntime, Session, fed, row_shape, session

ROUNDS = 100
QUANTILE = 0.1
LEAST_BLOCKS, MOST_BLOCKS = 6, 30
LEAST_ROUNDS, MOST_ROUNDS = 4, 20
BLOCK_SECONDS, MOST_SECONDS = 0.3, 4.0
"""A block of slow files has fewer rounds; after the second limit no block begins."""
LATENCY_PRECISION, LOAD_PRECISION = 0.005, 0.03
"""The standard errors among blocks, as shares of the figure, that are narrow enough."""
LATENCY_FLOOR, LOAD_FLOOR = 0.006, 0.02
"""The share by which two processes differ, however often each repeats: part of every error."""


@dataclass(frozen=True)
class Reference:
    """A file that is measured in turn with each other file, and its own figures at the beginning.

    `load_ms` is 0 where they are not known: then load times are told as they are.
    """

    file: bytes
    latency_ms: float
    load_ms: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """A figure and its standard error, in the figure's own unit."""

    value: float
    error: float


@dataclass(frozen=True)
class Timing:
    """The times of a file in milliseconds: of one row on one thread, and of loading.

    `note` is what the user should know of how they were taken.
    """

    latency: Estimate
    load: Estimate
    note: str = ""


def timed(
    file: bytes | Path,
    row: NDArray[np.generic],
    reference: Reference | None = None,
    latency: Estimate | None = None,
    runtime: OnnxRuntime = ONE_THREAD,
) -> Timing:
    """The times of a file on raw rows (rows, ...), one as a rule, which are one call; a file whose
    `latency` is known is loaded only.

    With a reference they are the ratio to the reference's, times the reference's own at the
    beginning.
    """
    beside = reference or Reference(b"", 0.0)
    files = [file, beside.file] if reference else [file]
    rounds = 0

    def block() -> Block:
        nonlocal rounds
        sessions, loads = _loaded(files, runtime)
        if latency is not None:
            return Block(loads)
        rounds = rounds or _rounds(sessions, row, runtime)
        return Block(loads, latency_ms(sessions, row, rounds, runtime))

    return of_blocks(block, beside, latency)


@dataclass(frozen=True)
class Block:
    """Milliseconds of loading, and of a call where it was timed: of a file and of its reference, if
    there is one."""

    loads: list[float]
    calls: list[float] = field(default_factory=list)


def of_blocks(
    block: Callable[[], Block], beside: Reference, latency: Estimate | None = None
) -> Timing:
    """The times of a file by as many blocks as make them sure; of a known `latency` those of
    loading alone."""
    calls = _Blocks(beside.latency_ms, LATENCY_PRECISION, LATENCY_FLOOR)
    loads = _Blocks(beside.load_ms, LOAD_PRECISION, LOAD_FLOOR)
    decisive = calls if latency is None else loads
    until = time.monotonic() + MOST_SECONDS
    while len(loads.taken) < LEAST_BLOCKS or not (
        decisive.are_sure or len(loads.taken) == MOST_BLOCKS or time.monotonic() > until
    ):
        taken = block()
        loads.taken.append(taken.loads)
        if taken.calls:
            calls.taken.append(taken.calls)
    return Timing(latency or calls.estimate(), loads.estimate())


def latency_ms(
    sessions: Sequence[Session],
    row: NDArray[np.generic],
    rounds: int = ROUNDS,
    runtime: OnnxRuntime = ONE_THREAD,
) -> list[float]:
    """Milliseconds per call of each session, all taken in the same loop.

    `row` are the raw rows (rows, ...) of a call; a session that takes rows of another shape, such
    as texts of another length, gets zeros. In each round every session is called once untimed and
    once timed, in shuffled order. Where all work is one thread's, its own time leaves out what
    other processes took.
    """
    clock = _clock(runtime)
    rng = random.Random(0)
    feeds = [(loaded, fed(loaded, _fitting(loaded, row))) for loaded in sessions]
    times: list[list[float]] = [[] for _ in sessions]
    order = list(range(len(sessions)))
    for _ in range(rounds):
        rng.shuffle(order)
        for i in order:
            loaded, feed = feeds[i]
            loaded.run(None, feed)
            started = clock()
            loaded.run(None, feed)
            times[i].append((clock() - started) * 1e3)
    return [float(np.quantile(taken, QUANTILE)) for taken in times]


class _Blocks:
    """Milliseconds that blocks took: the file, and its reference where there is one.

    `scale` is the reference's own figure, by which the ratio is told; 0 leaves the file's as is.
    """

    def __init__(self, scale: float, precision: float, floor: float) -> None:
        self.scale, self.precision, self.floor = scale, precision, floor
        self.taken: list[list[float]] = []

    @property
    def are_sure(self) -> bool:
        value, error = self._median()
        return error <= self.precision * value

    def estimate(self) -> Estimate:
        value, error = self._median()
        return Estimate(value, math.hypot(error, self.floor * value))

    def _median(self) -> tuple[float, float]:
        """The median, and its standard error, which follows from the median deviation."""
        taken = np.asarray(self.taken)
        figures = taken[:, 0] / taken[:, 1] * self.scale if self.scale else taken[:, 0]
        middle = np.median(figures)
        spread = 1.4826 * np.median(np.abs(figures - middle))
        return float(middle), float(1.2533 * spread / math.sqrt(len(figures)))


def _loaded(
    files: Sequence[bytes | Path], runtime: OnnxRuntime
) -> tuple[list[Session], list[float]]:
    """Sessions of files, and the milliseconds that each took to load."""
    sessions, took, clock = [], [], _clock(runtime)
    for file in files:
        started = clock()
        sessions.append(session(file, runtime))
        took.append((clock() - started) * 1e3)
    return sessions, took


def _clock(runtime: OnnxRuntime) -> Callable[[], float]:
    return time.thread_time if runtime.is_one_thread else time.perf_counter


def _rounds(sessions: Sequence[Session], row: NDArray[np.generic], runtime: OnnxRuntime) -> int:
    """The rounds of a block: as many as its time allows, within limits."""
    clock = _clock(runtime)
    started = clock()
    latency_ms(sessions, row, 1, runtime)
    return max(LEAST_ROUNDS, min(MOST_ROUNDS, int(BLOCK_SECONDS / max(clock() - started, 1e-6))))


def _fitting(loaded: Session, row: NDArray[np.generic]) -> NDArray[np.generic]:
    """The rows, or as many of zeros where their shape is not one that the session takes."""
    shape = len(row), *row_shape(loaded)
    return row if shape == row.shape else np.zeros(shape, row.dtype)
