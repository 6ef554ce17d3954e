"""A layer as a chain of smaller ones: one function per way to factorise.

The maths and the papers are in `low_rank.py`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, einsum, nn

from automl.compression import low_rank
from automl.compression.low_rank import Choose
from automl.compression.output_moments import Moments
from automl.models.family import Network, copy_weights, edit_layers
from automl.models.layer_edits import LayerEdit
from automl.models.plain_layers import Plain, PlainLayer, as_plain, described, kind_of


@dataclass(frozen=True)
class Factored(LayerEdit):
    """A layer that computes by a chain of ordinary layers, which stand beneath it as "0", "1", …"""

    factors: tuple[Plain, ...]

    def rebuild(self, layer: nn.Module) -> nn.Module:
        return become_factors(layer, [factor.build() for factor in self.factors])


def become_factors(layer: nn.Module, factors: Sequence[nn.Module]) -> nn.Module:
    """The layer itself, which computes by a chain of factors from now on.

    Its class, its sizes and settings stay, and its `weight` is the product of the factors.
    """
    for tensor in ("weight", "bias"):
        delattr(layer, tensor)
    for number, factor in enumerate(factors):
        layer.add_module(str(number), factor)
    layer.__class__ = _by_factors(type(layer))  # type: ignore[arg-type]
    return layer


@functools.cache
def _by_factors(kind: type[nn.Module]) -> type[nn.Module]:
    """The class of layers of a kind that compute by their factors."""

    def forward(layer: nn.Module, input: Tensor) -> Tensor:
        for factor in layer.children():
            input = factor(input)
        return input

    def weight(layer: nn.Module) -> Tensor:
        parts = [cast(Tensor, factor.weight) for factor in layer.children()]
        # Along each side of a kernel one factor alone is wider than 1.
        return functools.reduce(
            lambda first, last: einsum("or...,ri...->oi...", last, first), parts
        )

    def bias(layer: nn.Module) -> Tensor | None:
        last: Tensor | None = getattr([*layer.children()][-1], "bias")  # noqa: B009
        return last

    own = {"forward": forward, "weight": property(weight), "bias": property(bias)}
    return type(f"Factored{kind.__name__}", (kind,), own)


def replaced(network: Network, factors: Mapping[str, nn.Sequential]) -> Network:
    """The network in which these layers compute by their factors, weights and all."""
    layer_edits = {
        name: Factored(tuple(described(as_plain(part)) for part in parts))
        for name, parts in factors.items()
    }
    smaller = edit_layers(network, layer_edits)
    copy_weights(network, smaller)
    for name, parts in factors.items():
        smaller.body.get_submodule(name).load_state_dict(parts.state_dict())
    return smaller


def max_rank(layer: PlainLayer, method: str) -> int:
    """The rank at which the factors can be the layer itself."""
    outputs, inputs, *sides = layer.weight.shape
    if method == "tucker":
        return int(max(outputs, inputs))
    if method == "spatial":
        high, wide = (*sides, 1)[:2]
        return int(min(inputs * high, outputs * wide))
    return int(min(outputs, inputs * math.prod(sides)))


def whole(layer: PlainLayer) -> nn.Sequential:
    """Factors that are the layer itself: its weight, and an identity on its narrower side."""
    weight = layer.weight.detach().flatten(1)
    outputs, inputs = weight.shape
    one = torch.eye(min(outputs, inputs)).to(weight)
    return _pair(layer, *((weight, one) if outputs < inputs else (one, weight)), layer.bias)


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
    build: Callable[..., PlainLayer] = kind_of(layer)
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
