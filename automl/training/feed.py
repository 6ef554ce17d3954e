"""Raw rows on their way to a device: all held there where they fit, else gathered ahead by threads.

Neither shows in a number: the same rows come in the same order.
"""

from __future__ import annotations

import functools
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from automl.data.arrays import MAX_ANSWERED, Array
from automl.data.dataset import Split, TrainingSplit
from automl.data.rows_in_place import Rows, RowsInPlace
from automl.models.deployed import predict

HELD_SHARE = 0.25
"""The most that rows may take of a card's free memory, or of the machine's memory, to be held."""
MAX_HELD_BYTES = 1_000_000_000
"""The same of a device that does not tell its memory."""
AHEAD_BATCHES, AHEAD_BYTES = 8, 256_000_000
"""The most that is gathered ahead."""
NUM_THREADS = 8
"""Threads that gather. They wait for a disk, mostly, and a disk answers many at once faster."""
PIECE_BYTES = 2_000_000
"""The rows that a thread gathers at a time."""

Planned: TypeAlias = tuple[float, int, Tensor]
"""A batch to come: progress, number of rows over all ranks, and numbers of this rank's (rows,)."""


def moved(values: Tensor, device: str | torch.device) -> Tensor:
    """A tensor on a device. The processor does not wait until a CUDA device has it."""
    if not _is_cuda(device):
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


@functools.lru_cache(maxsize=2)
def held(split: Split | TrainingSplit, device: str) -> Tensor | None:
    """The inputs of a split on a device, for all steps of a process; None where they do not fit.

    The two latest are kept, as a training has two. A processor maps them from their file.
    """
    inputs = split.inputs
    if inputs.nbytes > _room_bytes(device) or (device == "cpu" and isinstance(inputs, RowsInPlace)):
        return None
    if not isinstance(inputs, RowsInPlace):
        return torch.from_numpy(inputs).to(device)
    kept = torch.empty(inputs.shape, dtype=_dtype(inputs), device=device)
    for start, piece in _pieces(inputs):
        kept[start : start + len(piece)] = piece
    return kept


class Feed:
    """The raw training rows (rows, *raw row), wherever they lie, as tensors on a device."""

    def __init__(self, split: TrainingSplit, device: str) -> None:
        self.inputs, self.device = split.inputs, device
        self.row_bytes = max(1, split.inputs.nbytes // len(split.inputs))
        self.held = held(split, device)
        self.gathered: dict[int, _Gathered] = {}

    def ahead(self, planned: Iterator[Planned]) -> Iterator[Planned]:
        """The same batches, whose rows are gathered while earlier ones are learned from."""
        if self.held is not None:
            yield from planned
            return
        coming: deque[Planned] = deque()
        pool = ThreadPoolExecutor(NUM_THREADS, "gather")
        try:
            while True:
                while self._has_room(coming) and (batch := next(planned, None)):
                    coming.append(batch)
                    self._begin(batch[2], pool)
                if not coming:
                    return
                batch = coming.popleft()
                yield batch
                self.gathered.pop(id(batch[2]), None)
        finally:
            pool.shutdown(cancel_futures=True)
            self.gathered.clear()

    def parts(self, rows: Tensor, number: int) -> Iterator[Tensor]:
        """The raw rows of a batch, whose numbers are `rows` (rows,), in so many parts."""
        if (whole := self.gathered.get(id(rows))) is not None:
            for part in torch.tensor_split(whole.rows(), number):
                yield part.to(self.device, non_blocking=_is_cuda(self.device))
            return
        for part_rows in torch.tensor_split(rows, number):
            if self.held is not None:
                yield self.held.index_select(0, moved(part_rows, self.device))
            else:
                yield torch.from_numpy(self.inputs[part_rows.numpy()]).to(self.device)

    def answers(self, network: nn.Module) -> Tensor:
        """The outputs (rows, ...) of a network for all rows, on its device."""
        if self.held is not None:
            return predict(network, self.held)
        return torch.cat([predict(network, piece) for _, piece in _pieces(self.inputs)])

    def _has_room(self, coming: deque[Planned]) -> bool:
        """True while another batch may be gathered."""
        gathered_bytes = sum(one.buffer.nbytes for one in self.gathered.values())
        return not coming or (len(coming) < AHEAD_BATCHES and gathered_bytes < AHEAD_BYTES)

    def _begin(self, rows: Tensor, pool: ThreadPoolExecutor) -> None:
        """Have the rows of a batch gathered, unless it alone is more than may be ahead."""
        if len(rows) * self.row_bytes > AHEAD_BYTES:
            return
        shape, numbers = (len(rows), *self.inputs.shape[1:]), rows.numpy()
        buffer = torch.empty(shape, dtype=_dtype(self.inputs), pin_memory=_is_cuda(self.device))
        size = max(1, PIECE_BYTES // self.row_bytes)
        cuts = [slice(start, start + size) for start in range(0, len(rows), size)]
        jobs = [pool.submit(self._fill, buffer[cut].numpy(), numbers[cut]) for cut in cuts]
        self.gathered[id(rows)] = _Gathered(buffer, jobs)

    def _fill(self, buffer: Array, numbers: NDArray[np.int64]) -> None:
        """Copy the rows of these numbers into a buffer, while other threads go on."""
        if isinstance(self.inputs, RowsInPlace):
            source, numbers = self.inputs.source, self.inputs.numbers[numbers]
        else:
            source = self.inputs
        # With the default mode numpy would copy once more.
        np.take(source, numbers, axis=0, out=buffer, mode="clip")


@dataclass(frozen=True)
class _Gathered:
    """A batch that threads gather: `buffer` (rows, *raw row) is whole when all jobs are done."""

    buffer: Tensor
    jobs: list[Future[None]]

    def rows(self) -> Tensor:
        """The raw rows. Raises what a thread raised."""
        for job in self.jobs:
            job.result()
        return self.buffer


def _pieces(inputs: Rows) -> Iterator[tuple[int, Tensor]]:
    """All rows, as many at once as are answered at once: where they start, (rows, *raw row)."""
    for start in range(0, len(inputs), MAX_ANSWERED):
        yield start, torch.from_numpy(inputs[start : start + MAX_ANSWERED])


def _dtype(inputs: Rows) -> torch.dtype:
    return torch.from_numpy(inputs[:0]).dtype


def _room_bytes(device: str) -> float:
    """The most that rows may take to be held on a device."""
    if _is_cuda(device):
        free, total = torch.cuda.mem_get_info(device)
        own = torch.cuda.get_per_process_memory_fraction() * total - torch.cuda.memory_reserved()
        return HELD_SHARE * max(0.0, min(free, own))
    if device == "cpu":
        return HELD_SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return MAX_HELD_BYTES


def _is_cuda(device: str | torch.device) -> bool:
    return torch.device(device).type == "cuda"
