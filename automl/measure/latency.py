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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl.runtimes.onnx import ONE_THREAD
from automl.space.runtime import SIZE, Call, Loaded, Runtime

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
    """A file that is measured in turn with each other file on a runtime, in the format of that,
    and its own figures there at the beginning; no bytes where there is none.

    `load_ms` is 0 where they are not known: then load times are told as they are. `rows` are those
    that its figures were taken on; None where it is called with the other file's.
    """

    file: bytes
    latency_ms: float
    load_ms: float = 0.0
    runtime: Runtime = ONE_THREAD
    rows: NDArray[np.generic] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Estimate:
    """A figure and its standard error, in the figure's own unit."""

    value: float
    error: float


@dataclass(frozen=True)
class Timing:
    """The times of a file in milliseconds on a runtime: of one call, and of loading.

    `note` is what the user should know of how they were taken, `others` are the times on further
    runtimes by their names, and `machine` is the kind of machine that took them. `size_bytes` are
    those of a file in a format of the runtime's own; 0 of an ONNX file.
    """

    latency: Estimate
    load: Estimate
    note: str = ""
    others: Mapping[str, Timing] = field(default_factory=dict)
    machine: str = ""
    size_bytes: int = 0

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes of the files in formats of further runtimes, by the names of their figures."""
        others = self.others.items()
        return {f"{name}/{SIZE}": own.size_bytes for name, own in others if own.size_bytes}

    @property
    def figures(self) -> dict[str, Estimate]:
        """The times by the names of their figures, those on further runtimes with theirs before."""
        further = {
            f"{name}/{figure}": estimate
            for name, own in self.others.items()
            for figure, estimate in own.figures.items()
        }
        return {"latency_ms": self.latency, "load_ms": self.load, **further}


def alone(runtime: Runtime = ONE_THREAD) -> Reference:
    """No file to be timed in turn with: times on a runtime are told as they are."""
    return Reference(b"", 0.0, runtime=runtime)


def references(
    files: Mapping[str, bytes], figures: Mapping[str, float], runtimes: Mapping[str, Runtime]
) -> dict[str, Reference]:
    """A model, whose files are given by format, as the reference on each runtime, by its name, of
    whose figures the first's are plain; a load time that is missing is not known."""
    found, prefix = dict[str, Reference](), ""
    for name, runtime in runtimes.items():
        prefix = f"{name}/" if found else ""
        latency, load = figures[f"{prefix}latency_ms"], figures.get(f"{prefix}load_ms", 0.0)
        found[name] = Reference(files[runtime.format], latency, load, runtime)
    return found


def timed(
    file: bytes | Path,
    row: NDArray[np.generic],
    reference: Reference | None = None,
    latency: Estimate | None = None,
    on: Runtime | None = None,
) -> Timing:
    """The times of a file on raw rows (rows, ...), repeated to as many as a call of the reference's
    runtime takes; a file whose `latency` is known is loaded only.

    With a reference they are the ratio to its times, times its own at the beginning. The file may
    run `on` another runtime than the reference.
    """
    beside = reference or alone()
    runtime = on or beside.runtime
    files = [(file, runtime), *[(beside.file, beside.runtime)] * bool(beside.file)]
    given = [row, row if beside.rows is None else beside.rows]
    rows = [np.resize(one, (runtime.batch, *one.shape[1:])) for one in given]
    clock, rounds = _clock([one for _, one in files]), 0

    def block() -> Block:
        nonlocal rounds
        loaded, loads = _loaded(files, clock)
        if latency is not None:
            return Block(loads)
        own = [of_rows(own_rows) for of_rows, own_rows in zip(loaded, rows)]
        rounds = rounds or _rounds(own, clock)
        return Block(loads, latency_ms(own, rounds, clock))

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


def together(timings: Mapping[str, Timing]) -> Timing:
    """The times of a file on several runtimes, by their names: the first's, with the others'."""
    (_, first), *rest = timings.items()
    notes = [first.note, *(f"on {name}: {own.note}" for name, own in rest if own.note)]
    return replace(first, note="; ".join(filter(None, notes)), others=dict(rest))


def sized(timing: Timing, file: bytes, format: str) -> Timing:
    """Times with the size of the file that they are of, where it is no ONNX file."""
    return replace(timing, size_bytes=len(file)) if format else timing


def latency_ms(
    calls: Sequence[Call], rounds: int = ROUNDS, clock: Callable[[], float] = time.thread_time
) -> list[float]:
    """Milliseconds of each call, all taken in the same loop.

    In each round each is made once untimed and once timed, in shuffled order. Where all work is
    one thread's, its own time, the default, leaves out what other processes took.
    """
    rng = random.Random(0)
    times: list[list[float]] = [[] for _ in calls]
    order = list(range(len(calls)))
    for _ in range(rounds):
        rng.shuffle(order)
        for i in order:
            calls[i]()
            started = clock()
            calls[i]()
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
    files: Sequence[tuple[bytes | Path, Runtime]], clock: Callable[[], float]
) -> tuple[list[Loaded], list[float]]:
    """Files as their runtimes load them, and the milliseconds that each took."""
    loaded, took = [], []
    for file, runtime in files:
        started = clock()
        loaded.append(runtime.load(file))
        took.append((clock() - started) * 1e3)
    return loaded, took


def _clock(runtimes: Iterable[Runtime]) -> Callable[[], float]:
    are_one_thread = all(runtime.is_one_thread for runtime in runtimes)
    return time.thread_time if are_one_thread else time.perf_counter


def _rounds(calls: Sequence[Call], clock: Callable[[], float]) -> int:
    """The rounds of a block: as many as its time allows, within limits."""
    started = clock()
    latency_ms(calls, 1, clock)
    return max(LEAST_ROUNDS, min(MOST_ROUNDS, int(BLOCK_SECONDS / max(clock() - started, 1e-6))))
