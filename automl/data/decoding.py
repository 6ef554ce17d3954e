"""Files decoded side by side into one array on disk; pieces that are finished outlive a kill."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from automl.data.arrays import Array, chunks, write_header
from automl.data.disk_room import check_room
from automl.data.progress import Progress

NUM_THREADS = min(32, os.cpu_count() or 1)
KEEP_SECONDS = 10.0
"""What was decoded is brought to the disk, and only then noted, once in so many seconds."""
ROOM_SHARE = 1.3
"""Bytes on disk for each byte of rows: the rows, and copies of those to validate and test."""
ROWS_FILE, FINISHED_FILE = "inputs.npy", "finished.npy"


def decoded_rows(source: str, folder: Path, count: int, decode: Callable[[int], Array]) -> Array:
    """All rows (count, *raw row), mapped from a file in `folder`; `decode` gives each.

    It runs in threads, and pieces that an earlier process finished are not decoded again. Raises
    UserError where the disk is too small, and otherwise what `decode` raised for the first row.
    """
    first, path = decode(0), folder / ROWS_FILE
    if not (folder / FINISHED_FILE).exists():
        folder.mkdir(parents=True, exist_ok=True)
        check_room(source, folder, ROOM_SHARE * count * first.nbytes)
        with path.open("wb") as new:
            write_header(new, (count, *first.shape), first.dtype)
            new.truncate(new.tell() + count * first.nbytes)
    rows: np.memmap[Any, Any] = np.load(path, mmap_mode="r")
    pieces = _Pieces(folder, list(chunks(rows)))
    size = pieces.cuts[0].stop
    told = Progress(f"{source}: decoding", count, before=size * int(pieces.is_finished.sum()))

    def make(piece: int) -> None:
        numbers = range(count)[pieces.cuts[piece]]
        made = np.empty((len(numbers), *first.shape), first.dtype)
        for place, row in enumerate(numbers):
            made[place] = decode(row)
        with path.open("r+b") as file:
            file.seek(rows.offset + numbers.start * first.nbytes)
            file.write(made.data)

    pool = ThreadPoolExecutor(NUM_THREADS, "decode")
    try:
        making = {piece: pool.submit(make, piece) for piece in pieces.unfinished()}
        for piece, future in making.items():
            future.result()
            pieces.finish(piece)
            told.tell(size * int(pieces.is_finished.sum()))
    finally:
        pool.shutdown(cancel_futures=True)
        pieces.keep()
    return rows


class _Pieces:
    """The pieces of a file, and which of them are finished, as a file beside it tells."""

    def __init__(self, folder: Path, cuts: Sequence[slice]) -> None:
        self.path, self.cuts, self.kept_at = folder / FINISHED_FILE, cuts, time.monotonic()
        self.is_finished = np.zeros(len(cuts), bool)
        if self.path.exists():
            self.is_finished = np.load(self.path)

    def unfinished(self) -> list[int]:
        return np.flatnonzero(~self.is_finished).tolist()

    def finish(self, piece: int) -> None:
        """Count a piece as finished, once it is written."""
        self.is_finished[piece] = True
        if time.monotonic() - self.kept_at > KEEP_SECONDS:
            self.keep()

    def keep(self) -> None:
        """Bring what is finished to the disk, and then the note of it."""
        with (self.path.parent / ROWS_FILE).open("r+b") as file:
            os.fsync(file.fileno())
        new = self.path.with_suffix(".new.npy")
        np.save(new, self.is_finished)
        new.replace(self.path)
        self.kept_at = time.monotonic()
