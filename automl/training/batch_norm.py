"""Batch normalisation over the rows of all ranks, and its statistics made anew on given rows.

The sums of all ranks are added up, and the gradients too: torch's own SyncBatchNorm does not work
on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import MethodType
from typing import TypeAlias

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from automl.models.out_of_memory import fewer_rows

BatchNorm: TypeAlias = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm
ROWS_AT_ONCE = 256
"""The rows over which a batch norm takes its moments when they are made anew."""


def share_statistics(module: nn.Module) -> None:
    """Have batch norms use the moments of the rows of all ranks, while they train."""
    for norm in module.modules():
        if isinstance(norm, BatchNorm):
            norm.forward = MethodType(_forward, norm)  # type: ignore[method-assign]


def keep_own_statistics(module: nn.Module) -> None:
    """Undo `share_statistics`."""
    for norm in module.modules():
        if isinstance(norm, BatchNorm):
            vars(norm).pop("forward", None)


def estimate_anew(network: nn.Module, norms: Sequence[BatchNorm], inputs: Tensor) -> None:
    """Give some batch norms of a network the moments of `inputs` (rows, *input shape), alone on
    this rank. The network is in evaluation mode afterwards.

    Why averaged or changed weights need that: https://arxiv.org/abs/1803.05407.
    """
    network.eval()
    before = [(norm, norm.momentum, vars(norm).get("forward")) for norm in norms]

    def estimate(size: int) -> None:
        for norm in norms:
            norm.reset_running_stats()
            norm.train().momentum = None  # torch's sign for the plain average over batches
        count = math.ceil(len(inputs) / size)
        with torch.no_grad():
            for start in range(count):
                network(inputs[start::count])

    keep_own_statistics(network)
    try:
        fewer_rows(estimate, ROWS_AT_ONCE, least=2)
    finally:
        for norm, momentum, forward in before:
            norm.momentum = momentum
            if forward is not None:
                norm.forward = forward  # type: ignore[method-assign]
    network.eval()


class Added(torch.autograd.Function):
    """The sum of a tensor of any shape over all ranks; its gradient is summed likewise."""

    @staticmethod
    def forward(ctx: FunctionCtx, values: Tensor) -> Tensor:
        """The sum, of the same shape."""
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
        """The gradients' sum, of the same shape."""
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def _forward(norm: BatchNorm, inputs: Tensor) -> Tensor:
    """Normalise (rows, channels, *space) by the moments of the rows of all ranks."""
    if not norm.training:
        return type(norm).forward(norm, inputs)  # type: ignore[arg-type]
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


def _remember(norm: BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Bring the running moments (channels,) up to date."""
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked += 1
    share = 1 / norm.num_batches_tracked.item() if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), share)
    norm.running_var.lerp_(variance.to(norm.running_var.dtype), share)


def _added(values: Tensor) -> Tensor:
    total: Tensor = Added.apply(values)  # type: ignore[no-untyped-call]
    return total
