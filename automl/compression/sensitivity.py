"""What each layer loses at each width: measured with that layer alone rounded."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from automl.compression.calibration import seen_rows
from automl.compression.grid import LIMITS, codes_of, weight_scale
from automl.compression.quantized import per_output
from automl.models.deployed import predict
from automl.models.family import Network
from automl.recipe import Context


def sensitivity(model: Network, layers: list[str], context: Context) -> dict[str, dict[int, float]]:
    """Per layer and bits, the mean squared change of the outputs on training rows, relative
    to their variance."""
    rows = seen_rows(model, context)
    whole = predict(model, rows)
    spread = whole.var(0).mean().clamp_min(1e-12)
    found: dict[str, dict[int, float]] = {}
    for name in layers:
        weight = cast(Tensor, model.body.get_submodule(name).weight)
        kept, found[name] = weight.detach().clone(), {}
        for bits in LIMITS:
            with torch.no_grad():
                weight.copy_(_rounded(kept, bits))
            change = ((predict(model, rows) - whole) ** 2).mean() / spread
            found[name][bits] = change.item()
        with torch.no_grad():
            weight.copy_(kept)
    return found


def _rounded(weight: Tensor, bits: int) -> Tensor:
    scale = per_output(weight_scale(weight.flatten(1), bits), weight)
    return codes_of(weight / scale, bits) * scale
