"""Multi-layer perceptron: linear, batch norm, ReLU, as deep as it has widths."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import nn

from automl.models.family import Group, Model, block_groups, chain


@dataclass(frozen=True)
class MLP(Model):
    widths: tuple[int, ...]

    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        sizes = (math.prod(input_shape), *self.widths)
        layers: list[tuple[str, nn.Module]] = [("flatten", nn.Flatten())]
        for i, width in enumerate(self.widths):
            linear = nn.Linear(sizes[i], width, bias=False)
            block = [("linear", linear), ("norm", nn.BatchNorm1d(width)), ("relu", nn.ReLU())]
            layers.append((f"block{i}", chain(block)))
        return chain([*layers, ("head", nn.Linear(sizes[-1], num_outputs))])

    def groups(self) -> list[Group]:
        return block_groups(self.widths, "linear")

    def with_widths(self, sizes: tuple[int, ...]) -> MLP:
        return replace(self, widths=sizes)
