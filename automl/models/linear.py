"""y = Wx + b, the smallest model there is: what every other one has to beat."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from automl.models.family import ModelFamily, chain


@dataclass(frozen=True)
class Linear(ModelFamily):
    def build(self, input_shape: tuple[int, ...], num_outputs: int) -> nn.Module:
        head = nn.Linear(math.prod(input_shape), num_outputs)
        return chain([("flatten", nn.Flatten()), ("head", head)])
