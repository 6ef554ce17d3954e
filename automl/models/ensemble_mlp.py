"""Several perceptrons of shared weights, told apart by the signs of their inputs, and averaged.

After TabM-mini of Gorishniy et al. 2024, TabM: https://arxiv.org/abs/2410.24210
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from automl.data.arrays import Numbers
from automl.data.dataset import DatasetInfo
from automl.field_types import Count, Whole
from automl.models import binned
from automl.models.building_blocks import activation, block_groups
from automl.models.family import Group, ModelFamily, chain


@dataclass(frozen=True)
class EnsembleMLP(ModelFamily):
    """An MLP that answers a row as the mean of `members`, of which each sees other inputs with
    their signs turned. All weights are shared; each row trains one member, drawn at random.
    `bins` as of MLP.
    """

    widths: tuple[Count, ...] = (64, 64)
    members: Count = 4
    activation: str = "relu"
    bins: Whole = 0

    def knots(self, info: DatasetInfo) -> tuple[Numbers, ...]:
        return binned.knots(self, self.bins, info)

    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        sizes = (math.prod(input_shape), *self.widths)
        layers: list[tuple[str, nn.Module]] = [
            ("flatten", nn.Flatten()),
            ("members", _Members(self.members, sizes[0])),
        ]
        for i, width in enumerate(self.widths):
            linear = nn.Linear(sizes[i], width)
            block = [("linear", linear), ("activation", activation(self.activation))]
            layers.append((f"block{i}", chain(block)))
        head = nn.Linear(sizes[-1], num_outputs)
        return chain([*layers, ("head", head), ("mean", _Mean(self.members))])

    def groups(self) -> tuple[Group, ...]:
        return block_groups(self.widths, "none", "linear")

    def with_widths(self, sizes: tuple[int, ...]) -> EnsembleMLP:
        return replace(self, widths=sizes)


class _Members(nn.Module):
    """Rows (rows, numbers) as each member sees them, (rows · members, numbers), those of a row
    together; in training as one member does, (rows, numbers)."""

    turned: Tensor

    def __init__(self, members: int, numbers: int) -> None:
        super().__init__()
        self.register_buffer("turned", torch.rand(members, numbers) < 0.5)

    def forward(self, rows: Tensor) -> Tensor:
        members, numbers = self.turned.shape
        if self.training:
            turned = self.turned[torch.randint(members, (len(rows),), device=rows.device)]
            return torch.where(turned, -rows, rows)
        every = rows.unsqueeze(1)
        return torch.where(self.turned, -every, every).reshape(-1, numbers)


class _Mean(nn.Module):
    """The mean over members: (rows, outputs) of (rows · members, outputs); in training as it is."""

    def __init__(self, members: int) -> None:
        super().__init__()
        self.members = members

    def forward(self, answers: Tensor) -> Tensor:
        if self.training:
            return answers
        return answers.reshape(-1, self.members, answers.shape[1]).mean(1)
