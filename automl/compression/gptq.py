"""Codes that keep what a layer gives on calibration rows, each weight making up for those before.

A layer's weights are rounded one input after the other, and what each rounding changes in the
layer's results is taken back, as far as can be, by the weights not rounded yet:
https://arxiv.org/abs/2210.17323. Then scales, statistics of batch norms and biases are fitted to
the codes. In turn, each layer makes up for the layers before it, too:
https://arxiv.org/abs/2504.02692
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from automl.compression.calibration import CALIBRATION_ROWS, seen_rows
from automl.compression.coded_weight import computing, held
from automl.compression.kept_means import ROWS, keep_means
from automl.compression.layer_inputs import products_of, squares_of
from automl.compression.quantization_grid import TINY, codes_at, codes_of
from automl.compression.quantized_layers import LearnedWeight
from automl.models.dataflow import flow_of
from automl.models.family import Network
from automl.models.plain_layers import KINDS, PlainLayer
from automl.recipe import Context

MOST_INPUTS = 8192
"""Weights of an output, up to which what they read together is looked at: its square is held."""
MARGIN = 0.01
"""Of a step of codes: how far from the next code a weight is put."""
DAMPING = 0.01
"""Of the mean square of the inputs, added to each: few rows say little of some of them."""

ROWS_IN_TURN = 2 * (CALIBRATION_ROWS + ROWS)
"""Rows that go through either network for each layer, where layers are rounded in turn."""


def compensated(network: Network, start: Network, context: Context) -> Network:
    """The network of learned layers itself, codes, scales and biases chosen by what layers give.

    `network` is as it was before its rounding. Weights of 8 bits stay as they are, and so do those
    that are not of a linear or convolution layer.
    """
    layers = _layers(network, start)
    if not layers:
        return start
    squares = squares_of(start, layers, context)
    for name, square in squares.items():
        weight = held(start.body.get_submodule(name))
        _round(start, name, weight.detach(), square)
    keep_means(network, start, squares, context)
    return start.eval()


def compensated_in_turn(network: Network, start: Network, context: Context) -> Network:
    """The network that `compensated` gives, made one layer after the other: each also makes up for
    what it reads, which those before it have changed."""
    layers = _layers(network, start)
    called = flow_of(network.body, seen_rows(network, context, 2)).modules
    names = [name for name in called if name in layers]
    for name in names:
        _source(start, name).rounds = False
    for name in names:
        found = products_of(network, start, name, layers[name], context)
        _source(start, name).rounds = True
        if found is not None:
            weight = held(start.body.get_submodule(name))
            _round(start, name, fitting_weight(weight.detach(), *found), found[0])
        keep_means(network, start, names, context)
    return start.eval()


def fitting_weight(weight: Tensor, square: Tensor, shared: Tensor) -> Tensor:
    """The weight that gives of what a layer reads now most nearly what `weight` gave before, of
    its shape: by least squares, of which few rows say little.

    `square` (groups, inputs, inputs) is the mean of what the inputs of a group give multiplied with
    each other, `shared` that of what they gave before with what they give now.
    """
    groups, inputs = square.shape[:2]
    rows = weight.reshape(groups, -1, inputs)
    damping = torch.diag_embed(_damping(square))
    wanted = rows @ (shared + damping)
    fitting: Tensor = torch.linalg.solve(square + damping, wanted.transpose(1, 2)).transpose(1, 2)
    return fitting.reshape(weight.shape)


def rounded_codes(
    weights: Tensor,
    scale: Tensor,
    square: Tensor,
    code: Callable[[Tensor], Tensor],
    free: Tensor,
) -> Tensor:
    """The codes, as floats, of weights (groups, outputs, inputs) on scales (groups, outputs, 1).

    `square` (groups, inputs, inputs) is the mean of what the inputs of a group give multiplied with
    each other; `code` gives the nearest codes of scaled weights. Weights that are not `free`, in
    the shape of all, get the code 0: https://arxiv.org/abs/2301.00774
    """
    size = square.diagonal(dim1=1, dim2=2)
    order = size.argsort(dim=1, descending=True, stable=True)
    columns = order[:, None, :].expand_as(weights)
    left = weights.gather(2, columns).clone()
    rows = order[:, :, None].expand_as(square)
    turned = square.gather(1, rows).gather(2, order[:, None, :].expand_as(square))
    inverse = torch.linalg.cholesky(turned + torch.diag_embed(_damping(square)))
    inverse = torch.linalg.cholesky(torch.cholesky_inverse(inverse), upper=True)
    codes, free = torch.empty_like(left), free.gather(2, columns)
    for i in range(left.shape[2]):
        codes[:, :, i] = code(left[:, :, i] / scale[:, :, 0]) * free[:, :, i]
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


def _layers(network: Network, start: Network) -> dict[str, PlainLayer]:
    """The layers whose inputs say how their weights are best rounded, as they were before.

    A subclass may compute anything from its weight.
    """
    found: dict[str, PlainLayer] = {}
    for name, layer in network.body.named_modules():
        source = computing(start.body.get_submodule(name)) if type(layer) in KINDS else None
        if isinstance(source, LearnedWeight) and isinstance(layer, KINDS):
            is_fine = source.bits == 8 or layer.weight[0].numel() > MOST_INPUTS
            if not is_fine and source.coded.axis == 0:
                found[name] = layer
    return found


def _source(start: Network, name: str) -> LearnedWeight:
    """The module that computes the weight of a layer."""
    source = computing(start.body.get_submodule(name))
    assert isinstance(source, LearnedWeight)
    return source


def _damping(square: Tensor) -> Tensor:
    """The numbers that are added to the squares of the inputs, (groups, inputs)."""
    size = square.diagonal(dim1=1, dim2=2)
    return DAMPING * size.mean(1).clamp_min(TINY)[:, None] * torch.ones_like(size)


def _round(start: Network, name: str, wanted: Tensor, square: Tensor) -> None:
    """Give the weight that a layer holds the values of the codes of the one that is `wanted`, and
    its scales those that fit them. Zeros that training would keep stay."""
    source, weight = _source(start, name), held(start.body.get_submodule(name))
    groups = len(square)
    rows = wanted.reshape(groups, len(wanted) // groups, -1)
    free = ((weight.detach() != 0) | (not start.spec.keeps_zeros)).reshape(rows.shape)
    scale = source.log_scale.detach().exp().reshape(groups, -1, 1)
    code = partial(codes_of, bits=source.bits, levels=source.coded.levels)
    codes = rounded_codes(rows, scale, square, code, free)
    scale = fitting_scale(rows, codes, square, scale)
    near = within_cells(rows / scale, codes, codes_at(source.bits, source.coded.levels).to(codes))
    weight.data.copy_((near * free * scale).reshape(weight.shape))
    source.log_scale.data.copy_(scale.flatten().log())
