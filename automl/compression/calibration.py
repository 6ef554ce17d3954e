"""Training rows for calibration, values that layers read and give, fresh batch-norm statistics.

https://arxiv.org/abs/2007.02491
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from automl.data.dataset import Data, Split
from automl.models.deployed import predict, seen_by
from automl.models.family import Network
from automl.models.plain_layers import BATCH_NORMS
from automl.models.watching import watching
from automl.recipe import STATISTICS_ROWS, Context

CALIBRATION_ROWS = 512
BATCH = 256
SAMPLES_PER_LAYER = 65536


def calibration_rows(data: Data, count: int = CALIBRATION_ROWS) -> Split:
    """Training rows, evenly from first to last, since a dataset may be sorted by its classes."""
    train = data.train
    total = len(train.targets)
    chosen = np.linspace(0, total - 1, min(count, total)).round().astype(np.int64)
    return Split(train.inputs[chosen], train.targets[chosen], train.rows[chosen])


def seen_rows(network: Network, context: Context) -> Tensor:
    """Calibration rows as the network sees them, (rows, *input shape), on the context's device."""
    rows = calibration_rows(context.data)
    return seen_by(network, rows.inputs, context.data.info).to(context.device)


def observe(
    body: nn.Module, names: Iterable[str], rows: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Values that enter and that leave some layers: samples (values,), and always the extremes.

    `rows` (rows, ...) are as the body sees them.
    """
    layers = {name: body.get_submodule(name) for name in names}
    entering: dict[str, list[Tensor]] = {name: [] for name in layers}
    leaving: dict[str, list[Tensor]] = {name: [] for name in layers}

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        entering[name].append(_sample(inputs[0]))
        leaving[name].append(_sample(outputs))

    with watching(layers, note):
        predict(body, rows)
    joined = [{n: torch.cat(parts) for n, parts in side.items()} for side in (entering, leaving)]
    return joined[0], joined[1]


def first_readers(body: nn.Module, names: Iterable[str], rows: Tensor) -> dict[str, str]:
    """The name of the first layer that reads the very tensor that a layer reads, by the layer:
    its own name, unless another layer was before. `rows` (rows, ...) are as the body sees them."""
    read: list[tuple[str, Tensor]] = []
    first: dict[str, str] = {}

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        same = [reader for reader, tensor in read if tensor is inputs[0]]
        first.setdefault(name, same[0] if same else name)
        read.append((name, inputs[0]))

    with watching({name: body.get_submodule(name) for name in names}, note):
        predict(body, rows[:1])
    return first


def interleaved(rows: Tensor, size: int) -> list[Tensor]:
    """Batches of `rows` (rows, ...) of at most a size, each of rows from first to last."""
    count = math.ceil(len(rows) / size)
    return [rows[i::count] for i in range(count)]


def recalibrate(network: Network, context: Context, count: int = STATISTICS_ROWS) -> Network:
    """The network itself, its batch norms' running statistics estimated anew on training rows."""
    norms = [m for m in network.modules() if isinstance(m, BATCH_NORMS) and m.track_running_stats]
    if not norms:
        return network
    rows = calibration_rows(context.data, count)
    inputs = seen_by(network, rows.inputs, context.data.info).to(context.device)
    momenta = [norm.momentum for norm in norms]
    network.to(context.device).eval()
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.train().momentum = None  # torch's sign for the plain average over batches
        with torch.no_grad():
            for batch in interleaved(inputs, BATCH):
                network(batch)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    return network.eval()


def _sample(values: Tensor) -> Tensor:
    flat = values.flatten()
    step = max(1, len(flat) // SAMPLES_PER_LAYER)
    return torch.cat([flat[::step], torch.stack(flat.aminmax())])
