"""A layer as a chain of smaller ones: one function per way to factorise.

The maths and the papers are in `low_rank.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from automl.compression import low_rank
from automl.compression.low_rank import Choose
from automl.compression.output_moments import Moments
from automl.models.plain_layers import PlainLayer


def max_rank(layer: PlainLayer, method: str) -> int:
    """The rank at which the factors can be the layer itself."""
    outputs, inputs, *sides = layer.weight.shape
    if method == "tucker":
        return int(max(outputs, inputs))
    if method == "spatial":
        high, wide = (*sides, 1)[:2]
        return int(min(inputs * high, outputs * wide))
    return int(min(outputs, inputs * math.prod(sides)))


def svd(layer: PlainLayer, moments: Moments | None, choose: Choose) -> nn.Sequential:
    first, last = low_rank.svd(layer.weight.detach().flatten(1), choose)
    return _pair(layer, first, last, layer.bias)


def pca(layer: PlainLayer, moments: Moments | None, choose: Choose) -> nn.Sequential:
    assert moments is not None
    weight = layer.weight.detach().flatten(1)
    bias = torch.zeros_like(weight[:, 0]) if layer.bias is None else layer.bias.detach()
    spectrum = (moments.mean, moments.covariance)
    first, last, bias = low_rank.pca(weight, bias, *spectrum, choose)
    return _pair(layer, first, last, bias)


def spatial(layer: PlainLayer, moments: Moments | None, choose: Choose) -> nn.Sequential:
    """A layer along its sides one after the other; of a series there is one side alone: k, then
    1."""
    weight = layer.weight.detach()
    first, last = low_rank.spatial(weight[..., None] if weight.dim() == 3 else weight, choose)
    if weight.dim() == 3:
        first, last = first[..., 0], last[..., 0]
    down = _convolution(layer, first, None, **_along(layer, 0))
    return nn.Sequential(down, _convolution(layer, last, layer.bias, **_along(layer, 1)))


def tucker(layer: PlainLayer, moments: Moments | None, choose: Choose) -> nn.Sequential:
    first, core, last = low_rank.tucker(layer.weight.detach(), choose)
    return nn.Sequential(
        _convolution(layer, _pointwise(layer, first), None),
        _convolution(layer, core, None, **_along(layer, 0, 1)),
        _convolution(layer, _pointwise(layer, last), layer.bias),
    )


METHODS: dict[str, Callable[[PlainLayer, Moments | None, Choose], nn.Sequential]] = {
    "pca": pca,
    "svd": svd,
    "spatial": spatial,
    "tucker": tucker,
}


def _pair(layer: PlainLayer, first: Tensor, last: Tensor, bias: Tensor | None) -> nn.Sequential:
    """Two linear maps; of a convolution, one with its kernel and one from point to point."""
    if isinstance(layer, nn.Linear):
        down = nn.Linear(first.shape[1], len(first), bias=False)
        up = nn.Linear(last.shape[1], len(last), bias=bias is not None)
        return nn.Sequential(_filled(down, first, None), _filled(up, last, bias))
    kernels = first.reshape(-1, *layer.weight.shape[1:])
    return nn.Sequential(
        _convolution(layer, kernels, None, **_along(layer, 0, 1)),
        _convolution(layer, _pointwise(layer, last), bias),
    )


def _convolution(
    layer: PlainLayer, weight: Tensor, bias: Tensor | None, **settings: object
) -> nn.Module:
    """A convolution with these weights, padding in the way of `layer`."""
    outputs, inputs, *sides = weight.shape
    build: Callable[..., PlainLayer] = type(layer)
    return _filled(
        build(inputs, outputs, tuple(sides), bias=bias is not None, **settings), weight, bias
    )


def _along(layer: PlainLayer, *sides: int) -> dict[str, object]:
    """A convolution's settings on these of its sides, and none on the others."""
    assert not isinstance(layer, nn.Linear)

    def own(values: tuple[int, ...], neutral: int) -> tuple[int, ...]:
        return tuple(v if i in sides else neutral for i, v in enumerate(values))

    padding = layer.padding if isinstance(layer.padding, str) else own(layer.padding, 0)
    return {
        "stride": own(layer.stride, 1),
        "padding": padding,
        "dilation": own(layer.dilation, 1),
        "padding_mode": layer.padding_mode,
    }


def _filled(layer: PlainLayer, weight: Tensor, bias: Tensor | None) -> nn.Module:
    layer.weight.data = weight.contiguous()
    if bias is not None and layer.bias is not None:
        layer.bias.data = bias.detach()
    return layer


def _pointwise(layer: PlainLayer, matrix: Tensor) -> Tensor:
    """A matrix as the weight of a 1 × 1 convolution."""
    return matrix.reshape(*matrix.shape, *[1] * (layer.weight.dim() - 2))
