"""Transformer encoder over the patches of an image, the steps of a series or the tokens of a text.

https://arxiv.org/abs/1706.03762, patches: https://arxiv.org/abs/2010.11929, norms before the
layers: https://arxiv.org/abs/2002.04745
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl.config import Config
from automl.errors import UserError
from automl.field_types import Count, NotNegative
from automl.models.building_blocks import (
    LayerScale,
    Residual,
    Transpose,
    activation,
    check_shape,
    readers,
)
from automl.models.family import Block, Group, ModelFamily, Slice, chain


@dataclass(frozen=True)
class TransformerLayer(Config):
    """Attention with so many heads, then a perceptron with so many hidden units."""

    heads: Count = 4
    hidden: Count = 64


@dataclass(frozen=True)
class Transformer(ModelFamily):
    """Transformer encoder: tokens, or patches of an image, are `width` numbers each on the way.

    Heads have `head_dim` numbers each, whatever the width.

    Where weights are `shared`, the layers are alike, and one is called as often as there are layers
    (https://arxiv.org/abs/1909.11942). A file has its weights once. With `layer_scale` above 0 each
    residual branch multiplies what it adds by learned numbers that begin there, such as 0.1
    (https://arxiv.org/abs/2103.17239). In a file they are merged into the branch's last weights,
    unless these are `shared`.
    """

    layers: tuple[TransformerLayer, ...] = (TransformerLayer(), TransformerLayer())
    width: Count = 32
    head_dim: Count = 8
    patch: Count = 4
    activation: str = "gelu"
    shared: bool = False
    layer_scale: NotNegative = 0.0
    later_fields: ClassVar[Mapping[str, object]] = {"shared": False, "layer_scale": 0.0}

    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        check_shape(self, input_shape, 2, 3)
        if len(input_shape) == 2:
            channels, steps = input_shape
            linear = nn.Linear(channels, self.width)
            return self._encoder(
                [("transpose", Transpose()), ("steps", linear)], steps, num_outputs
            )
        channels, *sides = input_shape
        self._check_patch(input_shape)
        patches = nn.Conv2d(channels, self.width, self.patch, stride=self.patch)
        tokens = [("patches", patches), ("flatten", nn.Flatten(2)), ("transpose", Transpose())]
        return self._encoder(tokens, math.prod(sides) // self.patch**2, num_outputs)

    def build_text(self, num_tokens: int, length: int, num_outputs: int) -> nn.Module:
        embedding = nn.Embedding(num_tokens, self.width)
        return self._encoder([("embedding", embedding)], length, num_outputs)

    def groups(self) -> tuple[Group, ...]:
        """Heads and hidden units; the norms mix the numbers of a token, so `width` stays."""
        found = []
        for i, layer in enumerate(self._distinct()):
            heads, feed = f"layer{i}.attend.path.attention", f"layer{i}.feed.path"
            made = tuple(
                Slice(f"{heads}.{name}.{tensor}", 0, self.head_dim)
                for name in "qkv"
                for tensor in ("weight", "bias")
            )
            read = (Slice(f"{heads}.o.weight", 1, self.head_dim),)
            found.append(Group(layer.heads, made, read, snap=False))
            made = (Slice(f"{feed}.up.weight", 0), Slice(f"{feed}.up.bias", 0))
            found.append(Group(layer.hidden, made, readers(f"{feed}.down")))
        return tuple(found)

    def with_widths(self, sizes: tuple[int, ...]) -> Transformer:
        pairs = zip(sizes[::2], sizes[1::2], strict=True)
        layers = tuple(TransformerLayer(*pair) for pair in pairs)
        return replace(self, layers=layers * (len(self.layers) if self.shared else 1))

    def blocks(self, input_shape: tuple[int, ...]) -> tuple[Block, ...]:
        layers, count = self.layers, len(self._distinct())
        return tuple(
            Block("layer", i, replace(self, layers=layers[:i] + layers[i + 1 :]))
            for i in range(count if count > 1 else 0)
        )

    def _distinct(self) -> tuple[TransformerLayer, ...]:
        """The layers with weights of their own."""
        if not self.shared:
            return self.layers
        if len({*self.layers}) > 1:
            raise UserError(f"{self}: layers of shared weights are alike; give each the same sizes")
        return self.layers[:1]

    def _check_patch(self, shape: tuple[int, ...]) -> None:
        common = math.gcd(*shape[1:])
        if common % self.patch:
            fitting = next(size for size in range(self.patch, 0, -1) if common % size == 0)
            raise UserError(
                f"Transformer cannot cut rows of shape {shape} into patches of {self.patch} × "
                f"{self.patch}; choose patch={fitting} or ConvNet"
            )

    def _encoder(
        self, tokens: list[tuple[str, nn.Module]], length: int, num_outputs: int
    ) -> nn.Module:
        layers = [(f"layer{i}", self._layer(layer)) for i, layer in enumerate(self._distinct())]
        return chain(
            [
                *tokens,
                ("positions", _Positions(length, self.width)),
                *layers,
                ("mean", _Mean()),
                ("norm", nn.LayerNorm(self.width)),
                ("head", nn.Linear(self.width, num_outputs)),
            ]
        )

    def _layer(self, layer: TransformerLayer) -> nn.Module:
        attend: list[tuple[str, nn.Module]] = [
            ("norm", nn.LayerNorm(self.width)),
            ("attention", _Attention(self.width, layer.heads, self.head_dim)),
        ]
        feed: list[tuple[str, nn.Module]] = [
            ("norm", nn.LayerNorm(self.width)),
            ("up", nn.Linear(self.width, layer.hidden)),
            ("activation", activation(self.activation)),
            ("down", nn.Linear(layer.hidden, self.width)),
        ]
        if self.layer_scale:
            attend.append(("scale", LayerScale(self.width, self.layer_scale)))
            feed.append(("scale", LayerScale(self.width, self.layer_scale)))
        parts = [("attend", Residual(chain(attend))), ("feed", Residual(chain(feed)))]
        return _Repeated(parts, len(self.layers)) if self.shared else chain(parts)


class _Repeated(nn.Sequential):
    """Named layers, called one after the other, a number of times over."""

    def __init__(self, layers: Iterable[tuple[str, nn.Module]], times: int) -> None:
        super().__init__(OrderedDict(layers))
        self.times = times

    def forward(self, inputs: Tensor) -> Tensor:
        for layer in [*self] * self.times:
            inputs = layer(inputs)
        return inputs


class _Attention(nn.Module):
    """Self-attention, (rows, tokens, width) to the same, of as many heads as its linear layers have
    rows for."""

    def __init__(self, width: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.q, self.k, self.v = (nn.Linear(width, heads * head_dim) for _ in range(3))
        self.o = nn.Linear(heads * head_dim, width)

    def forward(self, inputs: Tensor) -> Tensor:
        rows, steps, _ = inputs.shape

        def by_head(linear: nn.Module) -> Tensor:
            projected: Tensor = linear(inputs)
            return projected.view(rows, steps, -1, self.head_dim).transpose(1, 2)

        q, k, v = by_head(self.q), by_head(self.k), by_head(self.v)
        mixed = F.scaled_dot_product_attention(q, k, v)
        outputs: Tensor = self.o(mixed.transpose(1, 2).flatten(2))
        return outputs


class _Positions(nn.Module):
    """Adds what is learned of each position to its token, (rows, tokens, width)."""

    def __init__(self, length: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(length, width))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + self.weight


class _Mean(nn.Module):
    """The mean over tokens: (rows, width) of (rows, tokens, width)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.mean(1)
