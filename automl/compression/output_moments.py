"""Mean and covariance of what layers give on training rows, for low ranks by their outputs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from automl.compression.calibration import calibration_rows
from automl.models.deployed import predict, seen_by
from automl.models.family import Network
from automl.models.plain_layers import PlainLayer
from automl.models.watching import watching
from automl.recipe import STATISTICS_ROWS, Context


@dataclass(frozen=True)
class Moments:
    """The mean (features,) and the covariance (features, features) of a layer's outputs; of a
    convolution, features are channels."""

    mean: Tensor
    covariance: Tensor


def output_moments(
    network: Network,
    layers: Mapping[str, PlainLayer],
    wanted: Collection[str],
    context: Context,
) -> dict[str, Moments]:
    """The moments of the layers that are wanted, by name."""
    sums: dict[str, list[Tensor]] = {}
    shifts: dict[str, Tensor] = {}

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        if not outputs.numel():
            return
        features = outputs if isinstance(layer, nn.Linear) else outputs.movedim(1, -1)
        flat = features.flatten(0, -2)
        # About next to their mean, fp32 is exact enough for the products of a batch.
        flat = flat - shifts.setdefault(name, flat.mean(0))
        own = [torch.tensor(len(flat)), flat.sum(0).double(), (flat.T @ flat).double()]
        sums[name] = [a + b for a, b in zip(sums[name], own)] if name in sums else own

    rows = calibration_rows(context.data, STATISTICS_ROWS).inputs
    with watching({name: layers[name] for name in wanted}, note):
        predict(network, seen_by(network, rows, context.data.info))
    return {name: _moments(shifts[name], *parts) for name, parts in sums.items()}


def _moments(shift: Tensor, count: Tensor, total: Tensor, squares: Tensor) -> Moments:
    """Moments of a number of rows (), from sums over rows (features,) and of products of
    features (features, features), all of them without a shift (features,)."""
    mean = total / count
    return Moments(mean + shift.double(), squares / count - mean[:, None] * mean)
