"""Settings of a process that trains on a CPU: its threads, and that it keeps freed memory."""

from __future__ import annotations

import ctypes
import os
import sys

import torch

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of mallopt's settings, as <malloc.h> numbers them."""
KEPT_BYTES = 2**30
"""What a process keeps of freed memory at most, before it gives the rest back."""
LARGEST_MMAP_THRESHOLD = 2**25
"""The largest that glibc takes, in bytes."""


def prepare(cpus: float) -> None:
    """Compute on so many cores, one thread each, and keep freed memory for the next tensors."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(max(1, int(cpus)))
    keep_freed_memory()


def keep_freed_memory() -> bool:
    """Have glibc keep up to `KEPT_BYTES` of freed memory; tells if it does.

    By default the tensors of a training step are given back to the system and asked for again at
    each step, page by page, which took a seventh of the time of a small convolutional network's
    training in fp32, and nothing in bf16. Another C library is left as it is.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option is None:
        return False
    kept, large = (TRIM_THRESHOLD, KEPT_BYTES), (MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    return all([set_option(*kept), set_option(*large)])
