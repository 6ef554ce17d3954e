"""Training rows for calibration, values that layers read and give, fresh batch-norm statistics.

https://arxiv.org/abs/2007.02491
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable

import torch
from torch import Tensor, nn

from automl import quality
from automl.data.dataset import Data, DatasetInfo, Split, evenly
from automl.models.dataflow import Seen, flow_of
from automl.models.deployed import Deployed, device_of, predict, seen_by
from automl.models.family import Network
from automl.models.plain_layers import BATCH_NORMS, KINDS
from automl.models.watching import watching
from automl.recipe import STATISTICS_ROWS, Context
from automl.training.batch_norm import estimate_anew

CALIBRATION_ROWS = 512
LEAST_ROWS = 64
SAMPLES_PER_LAYER = 65536
LARGE = 10_000_000
"""Numbers of a network above which a pass of many rows through it is dear."""


def calibration_rows(data: Data, count: int = CALIBRATION_ROWS) -> Split:
    """Training rows, evenly from first to last, since a dataset may be sorted by its classes."""
    return evenly(data.train, count)


def enough_rows(network: Network) -> int:
    """The number of rows to calibrate on: fewer of a large network, whose layers read many numbers
    of each."""
    numbers = sum(tensor.numel() for tensor in (*network.parameters(), *network.buffers()))
    return max(LEAST_ROWS, CALIBRATION_ROWS * LARGE // max(LARGE, numbers))


def seen_rows(network: Network, context: Context, most: int = CALIBRATION_ROWS) -> Tensor:
    """Calibration rows as the network sees them, (rows, *input shape), on the context's device."""
    rows = calibration_rows(context.data, min(most, enough_rows(network)))
    return seen_by(network, rows.inputs, context.data.info).to(context.device)


def usual_quality(network: Network, rows: Split, info: DatasetInfo) -> float:
    """The task's usual metric on some rows; of one of which less is better, its negative."""
    name, _ = quality.usual(info.class_counts)
    metric = quality.METRICS[name]
    deployed = Deployed(network, info).to(device_of(network))
    answers = predict(deployed, torch.from_numpy(rows.inputs))
    found = metric(answers.cpu().numpy(), rows.targets)
    return found if metric.better == "max" else -found


def observe(
    body: nn.Module, names: Iterable[str], rows: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Values that enter and that leave some layers: samples (values,), and always the extremes.

    Layers that are not called, or read no numbers, are left out. `rows` (rows, ...) are as the
    body sees them.
    """
    layers = {name: body.get_submodule(name) for name in names}
    if not layers:
        return {}, {}
    entering = defaultdict[str, list[Tensor]](list)
    leaving = defaultdict[str, list[Tensor]](list)

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        if _are_numbers(inputs[0]) and _are_numbers(outputs):
            entering[name].append(_sample(inputs[0]))
            leaving[name].append(_sample(outputs))

    with watching(layers, note):
        predict(body, rows)
    joined = [{n: torch.cat(parts) for n, parts in side.items()} for side in (entering, leaving)]
    return joined[0], joined[1]


def values_entering(
    network: Network, names: Collection[str], context: Context
) -> dict[str, Tensor]:
    """Samples of the values that enter some layers, (values,) each, by which a grid is chosen."""
    rows = seen_rows(network, context)
    if names and enough_rows(network) < CALIBRATION_ROWS:
        context.notes.append(f"calibrated on {len(rows)} rows: a large network needs no more")
    return observe(network.body, names, rows)[0]


def reading_numbers(network: Network, context: Context) -> set[str]:
    """The linear and convolution layers that are called, and read numbers."""
    names = [name for name, layer in network.body.named_modules() if isinstance(layer, KINDS)]
    entering, _ = observe(network.body, names, seen_rows(network, context, 2))
    return set(entering)


def first_readers(body: nn.Module, names: Iterable[str], rows: Tensor) -> dict[str, str]:
    """The name of the first of these layers that reads the very values that a layer reads, in all
    its calls, by the layer; layers that are not called are left out. `rows` (rows, ...) are as the
    body sees them.

    A tensor that was changed in place meanwhile, as by `x += f(x)`, holds other values.
    """
    flow, readers, first = flow_of(body, rows), dict[frozenset[Seen], str](), dict[str, str]()
    for name in names:
        if read := frozenset(call.read[0] for call in flow.modules.get(name, ())):
            first[name] = readers.setdefault(read, name)
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
    estimate_anew(network.to(context.device), norms, inputs)
    return network


def _are_numbers(values: object) -> bool:
    return isinstance(values, Tensor) and values.is_floating_point() and values.numel() > 0


def _sample(values: Tensor) -> Tensor:
    flat = values.detach().flatten()
    step = max(1, len(flat) // SAMPLES_PER_LAYER)
    return torch.cat([flat[::step], torch.stack(flat.aminmax())])
