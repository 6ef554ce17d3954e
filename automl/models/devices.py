"""The device on which a trial computes, by torch's own names."""

from __future__ import annotations

import torch

PROCESS_BYTES = 10**9
"""What a process takes of a card beside its tensors: a context, and the kernels of libraries."""


def device_name(wants_accelerator: bool) -> str:
    """The machine's accelerator ("cuda", of ROCm too, "mps", "xpu") where one is wanted and at
    hand, else "cpu"."""
    if not wants_accelerator or not torch.accelerator.is_available():
        return "cpu"
    found = torch.accelerator.current_accelerator()
    return found.type if found is not None else "cpu"


def keep_to_share(device: str, share: float) -> None:
    """Have this process's tensors take no more of a CUDA card than their share of it, so that what
    fits does not depend on who else is there."""
    if device != "cuda":
        return
    beside = PROCESS_BYTES / torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction(max(share / 2, share - beside) if share < 1 else 1.0)
