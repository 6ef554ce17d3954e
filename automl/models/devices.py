"""The device on which a trial computes, by torch's own names."""

from __future__ import annotations

import torch


def device_name(wants_accelerator: bool) -> str:
    """The machine's accelerator ("cuda", of ROCm too, "mps", "xpu") where one is wanted and at
    hand, else "cpu"."""
    if not wants_accelerator or not torch.accelerator.is_available():
        return "cpu"
    found = torch.accelerator.current_accelerator()
    return found.type if found is not None else "cpu"
