"""Plain convolutional network: convolution, normalisation, activation, pooling; then an average."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import nn

from automl.field_types import Count
from automl.models.building_blocks import (
    ConvolutionStyle,
    block_groups,
    check_pools,
    check_shape,
    convolution,
    halvings,
    shorter_chains,
)
from automl.models.family import Block, Group, ModelFamily, chain


@dataclass(frozen=True)
class ConvNet(ModelFamily):
    """Plain convolutional network: blocks of convolution, normalisation, activation and pooling.

    Each entry of `channels` is a block's width. Each block halves the image while both sides keep
    2 pixels, or as often as `pools` says.
    """

    channels: tuple[Count, ...] = (16, 32)
    kernel_size: Count = 3
    activation: str = "relu"
    normalisation: str = "batch"
    pools: tuple[int, ...] = field(default=(), kw_only=True)

    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        check_shape(self, input_shape, 3)
        sizes = (input_shape[0], *self.channels)
        style = ConvolutionStyle(self.kernel_size, self.normalisation, self.activation)
        layers: list[tuple[str, nn.Module]] = []
        for i, (width, times) in enumerate(
            zip(self.channels, self._pools(input_shape), strict=True)
        ):
            layers.append((f"block{i}", convolution(sizes[i], width, style)))
            if times:
                layers.append((f"pool{i}", nn.MaxPool2d(2**times)))
        layers += [("average", nn.AdaptiveAvgPool2d(1)), ("flatten", nn.Flatten())]
        return chain([*layers, ("head", nn.Linear(sizes[-1], num_outputs))])

    def groups(self) -> tuple[Group, ...]:
        return block_groups(self.channels, self.normalisation)

    def with_widths(self, sizes: tuple[int, ...]) -> ConvNet:
        return replace(self, channels=sizes)

    def blocks(self, input_shape: tuple[int, ...]) -> tuple[Block, ...]:
        if len(self.channels) == 1:
            return ()
        shorter = shorter_chains((input_shape[0], *self.channels), self._pools(input_shape))
        return tuple(
            Block("block", i, replace(self, channels=channels, pools=pools))
            for i, channels, pools in shorter
        )

    def _pools(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        check_pools(self.channels, self.pools)
        return self.pools or halvings(len(self.channels), min(input_shape[1:]), 4)
