"""Numbers of a table coded by bins, piecewise linearly, which small networks learn steps from.

Gorishniy et al. 2022, On Embeddings for Numerical Features: https://arxiv.org/abs/2203.05556
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from automl.data import quantiles
from automl.data.arrays import Numbers
from automl.data.dataset import DatasetInfo
from automl.errors import UserError
from automl.models.family import ModelFamily


def knots(family: ModelFamily, bins: int, info: DatasetInfo) -> tuple[Numbers, ...]:
    """The ends of so many bins of each number. Raises UserError of rows whose numbers have none."""
    if not bins:
        return ()
    if len(info.input_shape) > 1 or info.num_tokens:
        raise UserError(
            f"{family}: bins are for the numbers of a table, and these rows are of shape "
            f"{info.input_shape}; leave bins at 0"
        )
    has_numbers = not info.columns or not all(column.categories for column in info.columns)
    if has_numbers and not info.quantiles:
        raise UserError(
            f"{family}: these rows hold more than {quantiles.MOST_NUMBERS} numbers; leave bins at 0"
        )
    return quantiles.knots(info.quantiles, bins)


class Bins(nn.Module):
    """Numbers (rows, numbers) as the filled part of each bin (rows, bins): 0 of one that begins
    above the number, 1 of one that ends below it. What lies outside all bins counts as their end.
    """

    of_number: Tensor
    starts: Tensor
    widths: Tensor

    def __init__(self, knots: Sequence[Numbers]) -> None:
        super().__init__()
        numbers = [i for i, ends in enumerate(knots) for _ in ends[1:]]
        starts = torch.tensor([start for ends in knots for start in ends[:-1]])
        ends = torch.tensor([end for own in knots for end in own[1:]])
        self.register_buffer("of_number", torch.tensor(numbers, dtype=torch.int64))
        self.register_buffer("starts", starts)
        self.register_buffer("widths", ends - starts)

    def forward(self, numbers: Tensor) -> Tensor:
        beyond = numbers.index_select(1, self.of_number) - self.starts
        return (beyond / self.widths).clamp(0, 1)
