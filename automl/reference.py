"""The space's largest fp32 model: what every other is compared to, and the hypervolume's ranges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from automl.config import UserError
from automl.data import dataset
from automl.data.dataset import Data, Split
from automl.export import onnx
from automl.models.family import Network, Spec, count_parameters
from automl.pareto import Axis
from automl.space import Explored, TrialConfig

SPAN = 1000.0
"""Bytes and times run from the largest model's down to a thousandth of them."""


@dataclass(frozen=True)
class Largest:
    """The untrained model of most parameters among a space's options, and the data it is for."""

    model: Network
    data: Data

    @property
    def rows(self) -> Split:
        return self.data.validation

    def export(self) -> bytes:
        return onnx.export(self.model, self.data)

    def axes(self, objectives: Sequence[str], figures: Mapping[str, float]) -> dict[str, Axis]:
        """Each objective's range: quality from chance to perfect, the rest by SPAN."""
        chance = 1 / len(self.data.classes)
        return {
            name: Axis(chance, 1.0)
            if name == "accuracy"
            else Axis(figures[name], figures[name] / SPAN, log=True)
            for name in objectives
        }


def largest(explored: Explored) -> Largest:
    """Build every option's largest model. Raises UserError when the data or a model cannot be."""
    built = [_build(config) for config in explored.configs]
    return max(built, key=lambda candidate: count_parameters(candidate.model))


def _build(config: TrialConfig) -> Largest:
    data = dataset.load(config.dataset, config.seed)
    torch.manual_seed(config.seed)
    try:
        model = Network(Spec(config.model, data.input_shape, len(data.classes)))
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{config.model} cannot be built: {error}") from error
    return Largest(model, data)
