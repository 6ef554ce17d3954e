"""The precision in which a model is called while it learns, and what a device may do for speed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from automl.training.losses import Outputs

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
"""The type to which torch's autocast takes what bears it; None where all stays as it is."""


def answers(model: nn.Module, inputs: Tensor, precision: str) -> Outputs:
    """A model's outputs for inputs (rows, *input shape), as fp32."""
    kind = PRECISIONS[precision]
    with torch.autocast(inputs.device.type, kind, enabled=kind is not None):
        outputs: Outputs = model(inputs)
    if isinstance(outputs, tuple):
        return tuple(output.float() for output in outputs)
    return outputs.float()


def gradient_scaler(precision: str, device: str) -> torch.amp.GradScaler:
    """A scaler that keeps small gradients of fp16 from becoming 0, and leaves others as they are.

    A step whose gradients overflow is left out, and the next are scaled less.
    """
    return torch.amp.GradScaler(torch.device(device).type, enabled=precision == "fp16")


@contextmanager
def fast_and_repeatable(device: str) -> Iterator[None]:
    """Have a CUDA device compute fp32 products in TF32, where it can, and convolutions alike each
    time, until the body ends. Any other device computes as ever."""
    if torch.device(device).type != "cuda":
        yield
        return
    convolutions, before = torch.backends.cudnn, torch.get_float32_matmul_precision()
    was_repeatable = convolutions.deterministic
    try:
        torch.set_float32_matmul_precision("high")
        convolutions.deterministic = True
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        convolutions.deterministic = was_repeatable
