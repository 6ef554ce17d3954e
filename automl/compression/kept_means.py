"""Biases and statistics of batch norms, corrected for what rounding did to means and variances.

https://arxiv.org/abs/1906.04721 corrects biases likewise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from automl.compression.calibration import interleaved, seen_rows
from automl.compression.coded_weight import along
from automl.compression.quantization_grid import TINY
from automl.models.family import Network
from automl.models.plain_layers import BATCH_NORMS
from automl.models.watching import watching
from automl.recipe import Context

ROWS = 256
Moments: TypeAlias = tuple[Tensor, Tensor]
"""Means and variances of channels, (channels,) each."""


def keep_means(network: Network, start: Network, names: Iterable[str], context: Context) -> None:
    """Have layers of `start` with a bias give, and its batch norms read, on the mean what those of
    `network` do, the first of them first.

    What was corrected before is corrected anew. Of one that is called more than once there is no
    one mean.
    """
    rows = interleaved(seen_rows(start, context), ROWS)[0]
    layers = {name: start.body.get_submodule(name) for name in names}
    biased = [n for n, own in layers.items() if "bias" in dict(own.named_parameters(recurse=False))]
    norms = [n for n, own in start.body.named_modules() if _has_statistics(own)]
    before: dict[str, list[Moments]] = {name: [] for name in (*biased, *norms)}

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        values = (outputs, _channels(layer)) if name in layers else (inputs[0], 1)
        if values[0].numel():
            before[name].append(_moments(*values))

    with torch.no_grad(), watching({n: network.body.get_submodule(n) for n in before}, note):
        network(rows)
    handles = []
    for name, found in before.items():
        module = start.body.get_submodule(name)
        _restore(network.body.get_submodule(name), module)
        if len(found) == 1 and name in layers:
            handles.append(module.register_forward_hook(partial(_shift, wanted=found[0])))
        elif len(found) == 1:
            move = partial(_move, wanted=found[0])
            handles.append(module.register_forward_pre_hook(move, with_kwargs=True))
    try:
        with torch.no_grad():
            start(rows)
    finally:
        for handle in handles:
            handle.remove()


def _restore(source: nn.Module, module: nn.Module) -> None:
    """Have a module the bias and the statistics of another."""
    own = {
        **dict(source.named_parameters(recurse=False)),
        **dict(source.named_buffers(recurse=False)),
    }
    for tensor in ("bias", "running_mean", "running_var"):
        if own.get(tensor) is not None:
            getattr(module, tensor).data.copy_(own[tensor].detach())


def _shift(layer: nn.Module, inputs: object, outputs: Tensor, wanted: Moments) -> Tensor:
    """Shift the bias of a layer, so that it gives what is wanted on the mean."""
    if not outputs.numel():
        return outputs
    at = _channels(layer)
    shift = wanted[0] - _moments(outputs, at)[0]
    layer.get_parameter("bias").data.add_(shift)
    return outputs + along(shift, outputs, at % outputs.dim())


def _move(
    norm: nn.Module, inputs: tuple[Tensor, ...], named: Mapping[str, Tensor], wanted: Moments
) -> None:
    """Move the statistics of a batch norm, so that it does to what it reads what it did before."""
    values = (*inputs, *named.values())[0]
    if not values.numel():
        return
    mean, var = _moments(values, 1)
    ratio = var.clamp_min(TINY) / wanted[1].clamp_min(TINY)
    running = norm.get_buffer("running_mean")
    running.copy_((running - wanted[0]) * ratio.sqrt() + mean)
    norm.get_buffer("running_var").mul_(ratio)


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, BATCH_NORMS) and module.running_mean is not None


def _moments(values: Tensor, dimension: int) -> Moments:
    """The mean and the variance of values along a dimension."""
    rows = values.detach().float().movedim(dimension, 0).flatten(1)
    return rows.mean(1), rows.var(1, correction=0)


def _channels(layer: nn.Module) -> int:
    """The dimension of a layer's outputs, in what it gives."""
    if isinstance(layer, nn.Linear):
        return -1
    return -2 if isinstance(layer, nn.Conv1d) else -3
