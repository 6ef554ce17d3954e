"""Batch normalisation over the rows of all ranks: sums are added up, gradients of them too.

torch's own SyncBatchNorm does not work on a CPU.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def share_statistics(module: nn.Module) -> None:
    """Have batch norms use the moments of the rows of all ranks, while they train."""
    for norm in module.modules():
        if isinstance(norm, _BatchNorm):
            norm.forward = MethodType(_forward, norm)  # type: ignore[method-assign]


def keep_own_statistics(module: nn.Module) -> None:
    """Undo `share_statistics`."""
    for norm in module.modules():
        if isinstance(norm, _BatchNorm):
            vars(norm).pop("forward", None)


class Added(torch.autograd.Function):
    """The sum of a tensor over all ranks; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def _forward(norm: Any, inputs: Tensor) -> Tensor:
    if not norm.training:
        outputs: Tensor = type(norm).forward(norm, inputs)
        return outputs
    values = inputs if inputs.dtype == torch.float64 else inputs.float()
    dims, shape = [0, *range(2, inputs.dim())], (1, -1, *[1] * (inputs.dim() - 2))
    rows = values.numel() // values.shape[1]
    count = torch.tensor(rows, dtype=torch.float64, device=values.device)
    dist.all_reduce(count)
    mean = _added(values.sum(dims)) / count
    centred = values - mean.view(shape)
    variance = _added((centred**2).sum(dims)) / count
    _remember(norm, mean.detach(), variance.detach() * count / (count - 1))
    normalised = centred * torch.rsqrt(variance + norm.eps).view(shape)
    if norm.affine:
        normalised = normalised * norm.weight.view(shape) + norm.bias.view(shape)
    return normalised.to(inputs.dtype)


def _remember(norm: Any, mean: Tensor, variance: Tensor) -> None:
    """Bring the running moments up to date."""
    if norm.running_mean is None:
        return
    norm.num_batches_tracked += 1
    share = 1 / norm.num_batches_tracked.item() if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), share)
    norm.running_var.lerp_(variance.to(norm.running_var.dtype), share)


def _added(values: Tensor) -> Tensor:
    total: Tensor = Added.apply(values)  # type: ignore[no-untyped-call]
    return total
