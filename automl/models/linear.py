"""y = Wx + b, the smallest model there is: what every other one has to beat."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from automl.data.arrays import Numbers
from automl.data.dataset import DatasetInfo
from automl.field_types import Whole
from automl.models import binned
from automl.models.family import ModelFamily, chain


@dataclass(frozen=True)
class Linear(ModelFamily):
    """A linear map of all numbers of a row.

    With `bins` above 0 each number of a table is first coded by so many bins, so that its effect
    is a curve instead of a straight line.
    """

    bins: Whole = 0
    later_fields: ClassVar[Mapping[str, object]] = {"bins": 0}

    def knots(self, info: DatasetInfo) -> tuple[Numbers, ...]:
        return binned.knots(self, self.bins, info)

    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        head = nn.Linear(math.prod(input_shape), num_outputs)
        return chain([("flatten", nn.Flatten()), ("head", head)])
