"""The memory format of a model's weights: the order in which their numbers lie in memory."""

from __future__ import annotations

import torch
from torch import nn


def formatted(module: nn.Module, memory_format: torch.memory_format) -> nn.Module:
    """The module itself, with all weights and buffers of four dimensions in a memory format.

    torch's own `to` refuses `channels_last` where there are any of five dimensions.
    """
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.ndim == 4:
            tensor.data = tensor.data.to(memory_format=memory_format)
    return module
