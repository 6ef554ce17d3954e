"""Codes that keep what a layer gives on calibration rows, each weight making up for those before.

A layer's weights are rounded one input after the other, and what each rounding changes in the
layer's results is taken back, as far as can be, by the weights not rounded yet:
https://arxiv.org/abs/2210.17323. Then scales, statistics of batch norms and biases are fitted to
the codes: https://arxiv.org/abs/1906.04721 corrects biases likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from automl.compression.calibration import interleaved, seen_rows
from automl.compression.coded_weight import along, computing, held
from automl.compression.quantization_grid import TINY, codes_at, codes_of
from automl.compression.quantized_layers import LearnedWeight
from automl.models.family import Network
from automl.models.out_of_memory import fewer_rows
from automl.models.plain_layers import BATCH_NORMS, KINDS, PlainLayer
from automl.models.watching import watching
from automl.recipe import Context

Moments: TypeAlias = tuple[Tensor, Tensor]
"""Means and variances of channels, (channels,) each."""

BATCH = 256
MOST_INPUTS = 8192
"""Weights of an output, up to which what they read together is looked at: its square is held."""
MARGIN = 0.01
"""Of a step of codes: how far from the next code a weight is put."""
DAMPING = 0.01
"""Of the mean square of the inputs, added to each: few rows say little of some of them."""


def compensated(network: Network, start: Network, context: Context, most_bits: float) -> Network:
    """The network of learned layers itself, codes, scales and biases chosen by what layers give.

    `network` is as it was before its rounding. Weights of more bits stay as they are, and so do
    those that are not of a linear or convolution layer.
    """
    layers = _layers(network, start, most_bits)
    if not layers:
        return start
    squares = _squares(start, layers, context)
    for name, square in squares.items():
        layer = start.body.get_submodule(name)
        source, weight = computing(layer), held(layer)
        assert isinstance(source, LearnedWeight)
        _round(source, weight, square)
    _correct(network, start, squares, context)
    return start.eval()


def rounded_codes(
    weights: Tensor, scale: Tensor, square: Tensor, code: Callable[[Tensor], Tensor]
) -> Tensor:
    """The codes, as floats, of weights (groups, outputs, inputs) on scales (groups, outputs, 1).

    `square` (groups, inputs, inputs) is the mean of what the inputs of a group give multiplied with
    each other; `code` gives the nearest codes of scaled weights.
    """
    size = square.diagonal(dim1=1, dim2=2)
    order = size.argsort(dim=1, descending=True, stable=True)
    columns = order[:, None, :].expand_as(weights)
    left = weights.gather(2, columns).clone()
    rows = order[:, :, None].expand_as(square)
    turned = square.gather(1, rows).gather(2, order[:, None, :].expand_as(square))
    damping = DAMPING * size.mean(1).clamp_min(TINY)[:, None] * torch.ones_like(size)
    inverse = torch.linalg.cholesky(turned + torch.diag_embed(damping))
    inverse = torch.linalg.cholesky(torch.cholesky_inverse(inverse), upper=True)
    codes = torch.empty_like(left)
    for i in range(left.shape[2]):
        codes[:, :, i] = code(left[:, :, i] / scale[:, :, 0])
        lost = (left[:, :, i] - codes[:, :, i] * scale[:, :, 0]) / inverse[:, i, i, None]
        left[:, :, i:] -= lost[:, :, None] * inverse[:, None, i, i:]
    return torch.empty_like(codes).scatter(2, columns, codes)


def fitting_scale(weights: Tensor, codes: Tensor, square: Tensor, scale: Tensor) -> Tensor:
    """The scale (groups, outputs, 1) at which codes (groups, outputs, inputs) give most nearly what
    the weights do; the one before where none above 0 does better."""
    given = codes @ square
    wanted = (given * weights).sum(2, keepdim=True)
    own = (given * codes).sum(2, keepdim=True)
    return torch.where((wanted > 0) & (own > TINY), wanted / own.clamp_min(TINY), scale)


def within_cells(scaled: Tensor, codes: Tensor, every: Tensor) -> Tensor:
    """The numbers nearest to scaled weights, of any shape, whose nearest codes are the given ones.

    A training that follows begins where the weights were, but for those that got another code.
    """
    middles, far = (every[1:] + every[:-1]) / 2, every.new_full((1,), torch.inf)
    places = torch.bucketize(codes, every)
    lows, highs = torch.cat([-far, middles]) + MARGIN, torch.cat([middles, far]) - MARGIN
    return scaled.clamp(lows[places], highs[places])


def _layers(network: Network, start: Network, most_bits: float) -> dict[str, PlainLayer]:
    """The layers whose inputs say how their weights are best rounded, as they were before.

    A subclass may compute anything from its weight.
    """
    found: dict[str, PlainLayer] = {}
    for name, layer in network.body.named_modules():
        source = computing(start.body.get_submodule(name)) if type(layer) in KINDS else None
        if isinstance(source, LearnedWeight) and isinstance(layer, KINDS):
            is_fine = source.bits > most_bits or layer.weight[0].numel() > MOST_INPUTS
            if not is_fine and source.coded.axis == 0:
                found[name] = layer
    return found


def _squares(
    start: Network, layers: Mapping[str, PlainLayer], context: Context
) -> dict[str, Tensor]:
    """Products of the inputs of each output of a layer with each other, on the mean of
    calibration rows, (groups, inputs, inputs); of layers that are not called, none."""
    taking = {name: _taking_inputs(layer) for name, layer in layers.items()}
    found: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        given = taking[name](inputs[0].detach())
        square = torch.einsum("rgi,rgj->gij", given, given)
        found[name] = found[name] + square if name in found else square
        counts[name] = counts.get(name, 0) + len(given)

    def run(size: int) -> None:
        found.clear()
        counts.clear()
        for batch in interleaved(rows, size):
            start(batch)

    rows = seen_rows(start, context)
    watched = {name: start.body.get_submodule(name) for name in layers}
    with torch.no_grad(), watching(watched, note):
        fewer_rows(run, BATCH)
    return {name: square / counts[name] for name, square in found.items()}


def _taking_inputs(layer: PlainLayer) -> Callable[[Tensor], Tensor]:
    """A function from what a layer reads to the numbers that meet its weights, (places, groups,
    inputs)."""
    if isinstance(layer, nn.Linear):
        return lambda values: values.reshape(-1, 1, values.shape[-1])
    inputs, groups = layer.weight[0].numel(), layer.groups
    taking = type(layer)(
        layer.in_channels,
        inputs * groups,
        layer.kernel_size,  # type: ignore[arg-type]
        layer.stride,  # type: ignore[arg-type]
        layer.padding,  # type: ignore[arg-type]
        layer.dilation,  # type: ignore[arg-type]
        groups,
        bias=False,
        padding_mode=layer.padding_mode,
    )
    one_each = torch.eye(inputs).reshape(inputs, *layer.weight.shape[1:])
    taking.weight.data.copy_(one_each.repeat(groups, *[1] * (one_each.dim() - 1)))
    taking.to(layer.weight.device)

    def take(values: Tensor) -> Tensor:
        batched = values if values.dim() == layer.weight.dim() else values[None]
        given: Tensor = taking(batched)
        return given.reshape(len(given), groups, inputs, -1).permute(0, 3, 1, 2).flatten(0, 1)

    return take


def _round(source: LearnedWeight, weight: Tensor, square: Tensor) -> None:
    """Give a weight the values of its codes, and its scales those that fit them."""
    groups = len(square)
    rows = weight.detach().reshape(groups, len(weight) // groups, -1)
    scale = source.log_scale.detach().exp().reshape(groups, -1, 1)
    code = partial(codes_of, bits=source.bits, levels=source.coded.levels)
    codes = rounded_codes(rows, scale, square, code)
    scale = fitting_scale(rows, codes, square, scale)
    near = within_cells(rows / scale, codes, codes_at(source.bits, source.coded.levels).to(codes))
    weight.data.copy_((near * scale).reshape(weight.shape))
    source.log_scale.data.copy_(scale.flatten().log())


def _correct(network: Network, start: Network, names: Iterable[str], context: Context) -> None:
    """Have layers with a bias give, and batch norms read, on the mean what they did before, the
    first of them first.

    Of one that is called more than once there is no one mean.
    """
    rows = interleaved(seen_rows(start, context), BATCH)[0]
    layers = {name: start.body.get_submodule(name) for name in names}
    biased = [n for n, own in layers.items() if "bias" in dict(own.named_parameters(recurse=False))]
    norms = [n for n, own in start.body.named_modules() if _has_statistics(own)]
    before: dict[str, list[Moments]] = {name: [] for name in (*biased, *norms)}

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        values = (outputs, _channels(layer)) if name in layers else (inputs[0], 1)
        before[name].append(_moments(*values))

    with torch.no_grad(), watching({n: network.body.get_submodule(n) for n in before}, note):
        network(rows)
    handles = []
    for name, found in before.items():
        module = start.body.get_submodule(name)
        if len(found) == 1 and name in layers:
            handles.append(module.register_forward_hook(partial(_shift, wanted=found[0])))
        elif len(found) == 1:
            handles.append(module.register_forward_pre_hook(partial(_move, wanted=found[0])))
    try:
        with torch.no_grad():
            start(rows)
    finally:
        for handle in handles:
            handle.remove()


def _shift(layer: nn.Module, inputs: object, outputs: Tensor, wanted: Moments) -> Tensor:
    """Shift the bias of a layer, so that it gives what is wanted on the mean."""
    at = _channels(layer)
    shift = wanted[0] - _moments(outputs, at)[0]
    layer.get_parameter("bias").data.add_(shift)
    return outputs + along(shift, outputs, at % outputs.dim())


def _move(norm: nn.Module, inputs: tuple[Tensor, ...], wanted: Moments) -> None:
    """Move the statistics of a batch norm, so that it does to what it reads what it did before."""
    mean, var = _moments(inputs[0], 1)
    ratio = var.clamp_min(TINY) / wanted[1].clamp_min(TINY)
    running = norm.get_buffer("running_mean")
    running.copy_((running - wanted[0]) * ratio.sqrt() + mean)
    norm.get_buffer("running_var").mul_(ratio)


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, BATCH_NORMS) and module.running_mean is not None


def _moments(values: Tensor, dimension: int) -> Moments:
    """The mean and the variance of values along a dimension."""
    rows = values.detach().movedim(dimension, 0).flatten(1)
    return rows.mean(1), rows.var(1, correction=0)


def _channels(layer: nn.Module) -> int:
    """The dimension of a layer's outputs, in what it gives."""
    if isinstance(layer, nn.Linear):
        return -1
    return -2 if isinstance(layer, nn.Conv1d) else -3
