"""Convolutions along the steps of a series or the tokens of a text; then an average.

https://arxiv.org/abs/1611.06455
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import nn

from automl.field_types import Count
from automl.models.building_blocks import (
    ConvolutionStyle,
    Transpose,
    block_groups,
    check_pools,
    check_shape,
    convolution,
    halvings,
    shorter_chains,
)
from automl.models.family import Block, Group, ModelFamily, chain


@dataclass(frozen=True)
class ConvNet1d(ModelFamily):
    """Blocks, one for each entry of `channels`; each halves the series while there are two
    steps, or as often as `pools` says.

    `embedding` numbers stand for each token of a text.
    """

    channels: tuple[Count, ...] = (16, 32)
    kernel_size: Count = 5
    activation: str = "relu"
    normalisation: str = "batch"
    embedding: Count = 16
    pools: tuple[int, ...] = field(default=(), kw_only=True)

    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        check_shape(self, input_shape, 2)
        channels, steps = input_shape
        return self._after([], channels, steps, num_outputs)

    def build_text(self, num_tokens: int, length: int, num_outputs: int) -> nn.Module:
        embedding = nn.Embedding(num_tokens, self.embedding)
        first = [("embedding", embedding), ("transpose", Transpose())]
        return self._after(first, self.embedding, length, num_outputs)

    def groups(self) -> tuple[Group, ...]:
        return block_groups(self.channels, self.normalisation)

    def with_widths(self, sizes: tuple[int, ...]) -> ConvNet1d:
        return replace(self, channels=sizes)

    def blocks(self, input_shape: tuple[int, ...]) -> tuple[Block, ...]:
        if len(self.channels) == 1:
            return ()
        *channels, steps = input_shape
        sizes = (*(channels or [self.embedding]), *self.channels)
        return tuple(
            Block("block", i, replace(self, channels=widths, pools=pools))
            for i, widths, pools in shorter_chains(sizes, self._pools(steps))
        )

    def _pools(self, steps: int) -> tuple[int, ...]:
        check_pools(self.channels, self.pools)
        return self.pools or halvings(len(self.channels), steps, 2)

    def _after(
        self, first: list[tuple[str, nn.Module]], inputs: int, steps: int, num_outputs: int
    ) -> nn.Module:
        sizes = (inputs, *self.channels)
        style = ConvolutionStyle(self.kernel_size, self.normalisation, self.activation, dims=1)
        layers = list(first)
        for i, (width, times) in enumerate(zip(self.channels, self._pools(steps), strict=True)):
            layers.append((f"block{i}", convolution(sizes[i], width, style)))
            if times:
                layers.append((f"pool{i}", nn.MaxPool1d(2**times)))
        layers += [("average", nn.AdaptiveAvgPool1d(1)), ("flatten", nn.Flatten())]
        return chain([*layers, ("head", nn.Linear(sizes[-1], num_outputs))])
