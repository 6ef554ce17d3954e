"""What layers see of the data: the values that enter and leave them, batch statistics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from automl.models.deployed import predict, seen_by
from automl.models.family import Network
from automl.recipe import Context

CALIBRATION_ROWS = 512
SAMPLES_PER_LAYER = 65536


def calibration_rows(model: Network, context: Context) -> Tensor:
    """Training rows as the model sees them, evenly from all of them."""
    inputs = context.data.train.inputs
    step = max(1, len(inputs) // CALIBRATION_ROWS)
    rows = seen_by(model, inputs[::step][:CALIBRATION_ROWS], context.data.about)
    return rows.to(context.device)


def observe(
    model: nn.Module, names: Iterable[str], rows: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Values that enter and that leave some layers: samples, and always the extremes."""
    entering: dict[str, list[Tensor]] = {name: [] for name in names}
    leaving: dict[str, list[Tensor]] = {name: [] for name in entering}

    def hook(name: str) -> Any:
        def keep(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
            entering[name].append(_sample(arguments[0]))
            leaving[name].append(_sample(output))

        return keep

    hooks = [model.get_submodule(name).register_forward_hook(hook(name)) for name in entering]
    predict(model, rows)
    for handle in hooks:
        handle.remove()
    joined = [{n: torch.cat(parts) for n, parts in side.items()} for side in (entering, leaving)]
    return joined[0], joined[1]


def _sample(values: Tensor) -> Tensor:
    flat = values.flatten()
    step = max(1, len(flat) // SAMPLES_PER_LAYER)
    return torch.cat([flat[::step], torch.stack(flat.aminmax())])
