"""Work on rows for which a device's memory is too small: done again on half as many at once."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

T = TypeVar("T")

SIGNS = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""Words of errors that have no class of their own: of libraries, and of devices but CUDA."""


def is_out_of_memory(error: BaseException) -> bool:
    """True of an error by which torch or a device's library says that memory does not suffice."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)


def too_large(error: BaseException, device: str) -> str:
    """The sentence for a model of which a device does not even hold the fewest rows."""
    said = str(error).strip().partition("\n")[0].partition(". ")[0]
    return (
        f"it does not fit the memory of {device!r}, however few rows at once ({said}); give trials "
        "a larger share by --gpus-per-trial, or take a smaller model"
    )


def fewer_rows(
    work: Callable[[int], T],
    rows: int,
    least: int = 1,
    undo: Callable[[], None] = lambda: None,
) -> tuple[T, int]:
    """The result of work on at most so many rows at once, and that number.

    It is `rows`, or halved until memory suffices; before each new try `undo` takes back what the
    last one did. Raises what the work raises, out of memory at `least` rows included.
    """
    while True:
        try:
            return work(rows), rows
        except RuntimeError as error:
            if rows <= least or not is_out_of_memory(error):
                raise
        # Out of the `except` nothing holds the tensors of the try any more, but for cycles.
        gc.collect()
        rows = max(least, -(-rows // 2))
        undo()
