"""Multi-layer perceptron, as deep as it has widths."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import nn

from automl.data.arrays import Numbers
from automl.data.dataset import DatasetInfo
from automl.field_types import Count, Whole
from automl.models import binned
from automl.models.building_blocks import activation, block_groups, normalisation, shorter_chains
from automl.models.family import Block, Group, ModelFamily, chain


@dataclass(frozen=True)
class MLP(ModelFamily):
    """A linear map of each width and a last one. With `bins` each number of a table is coded by so
    many bins of equally many training rows, or by fewer where values repeat."""

    widths: tuple[Count, ...] = (64,)
    activation: str = "relu"
    normalisation: str = "batch"
    bins: Whole = 0
    later_fields: ClassVar[Mapping[str, object]] = {"bins": 0}

    def knots(self, info: DatasetInfo) -> tuple[Numbers, ...]:
        return binned.knots(self, self.bins, info)

    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        sizes = (math.prod(input_shape), *self.widths)
        layers: list[tuple[str, nn.Module]] = [("flatten", nn.Flatten())]
        for i, width in enumerate(self.widths):
            linear = nn.Linear(sizes[i], width, bias=self.normalisation == "none")
            norm = normalisation(self.normalisation, width, dims=1)
            block = [
                ("linear", linear),
                ("norm", norm),
                ("activation", activation(self.activation)),
            ]
            layers.append((f"block{i}", chain(block)))
        return chain([*layers, ("head", nn.Linear(sizes[-1], num_outputs))])

    def groups(self) -> tuple[Group, ...]:
        return block_groups(self.widths, self.normalisation, "linear")

    def with_widths(self, sizes: tuple[int, ...]) -> MLP:
        return replace(self, widths=sizes)

    def blocks(self, input_shape: tuple[int, ...]) -> tuple[Block, ...]:
        """The last may go too: an MLP without hidden layers is a linear map."""
        sizes, pools = (math.prod(input_shape), *self.widths), (0,) * len(self.widths)
        shorter = shorter_chains(sizes, pools)
        return tuple(Block("block", i, replace(self, widths=widths)) for i, widths, _ in shorter)
