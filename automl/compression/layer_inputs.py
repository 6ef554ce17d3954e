"""Products of what layers read on calibration rows, as it meets their weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

import torch
from torch import Tensor, nn

from automl.compression.calibration import interleaved, seen_rows
from automl.models.family import Network
from automl.models.out_of_memory import fewer_rows
from automl.models.plain_layers import PlainLayer
from automl.models.watching import watching
from automl.recipe import Context

BATCH = 256
MOST_BYTES = 2**26
"""Size of the numbers that meet a convolution's weights at a time: many times what it reads."""


def squares_of(
    network: Network, layers: Mapping[str, PlainLayer], context: Context
) -> dict[str, Tensor]:
    """Products of the inputs of each output of a layer with each other, on the mean of
    calibration rows, (groups, inputs, inputs); of layers that read nothing, none."""
    taking = {name: _taking_inputs(layer) for name, layer in layers.items()}
    found: dict[str, Tensor] = {}
    counts: dict[str, int] = {}

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        for given in taking[name](inputs[0].detach()):
            square = torch.einsum("rgi,rgj->gij", given, given)
            found[name] = found[name] + square if name in found else square
            counts[name] = counts.get(name, 0) + len(given)

    def run(size: int) -> None:
        found.clear()
        counts.clear()
        for batch in interleaved(rows, size):
            network(batch)

    rows = seen_rows(network, context)
    watched = {name: network.body.get_submodule(name) for name in layers}
    with torch.no_grad(), watching(watched, note):
        fewer_rows(run, BATCH)
    return {name: square / counts[name] for name, square in found.items() if counts[name]}


def products_of(
    network: Network, start: Network, name: str, layer: PlainLayer, context: Context
) -> tuple[Tensor, Tensor] | None:
    """Products of what one layer reads in `start` with each other, and of what it reads in
    `network` with what it reads in `start`, as `squares_of` has them.

    A module may choose its way by values, and call a layer on other rows than before: then `start`
    stands for both. None of a layer that reads nothing.
    """
    taking, rows = _taking_inputs(layer), seen_rows(start, context)

    def run(size: int) -> tuple[Tensor, Tensor] | None:
        square, shared, count = torch.zeros(()), torch.zeros(()), 0
        for batch in interleaved(rows, size):
            before, after = _read(network, name, batch), _read(start, name, batch)
            if [own.shape for own in before] != [own.shape for own in after]:
                before = after
            wholes, owns = (chain.from_iterable(map(taking, read)) for read in (before, after))
            for whole, given in zip(wholes, owns, strict=True):
                square = square.to(given) + torch.einsum("rgi,rgj->gij", given, given)
                shared = shared.to(given) + torch.einsum("rgi,rgj->gij", whole, given)
                count += len(given)
        return (square / count, shared / count) if count else None

    with torch.no_grad():
        return fewer_rows(run, BATCH)[0]


def _read(network: Network, name: str, rows: Tensor) -> list[Tensor]:
    """The values that a layer reads, call by call."""
    found: list[Tensor] = []

    def note(name: str, layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> None:
        # Copied, since a module may change it in place later, as `x += f(x)` does.
        found.append(inputs[0].detach().clone())

    with watching({name: network.body.get_submodule(name)}, note):
        network(rows)
    return found


def _taking_inputs(layer: PlainLayer) -> Callable[[Tensor], Iterable[Tensor]]:
    """A function from what a layer reads to the numbers that meet its weights, (places, groups,
    inputs), in parts of some of the rows."""
    if isinstance(layer, nn.Linear):
        return lambda values: [values.reshape(-1, 1, values.shape[-1])]
    inputs, groups = layer.weight[0].numel(), layer.groups
    taking = type(layer)(
        layer.in_channels,
        inputs * groups,
        layer.kernel_size,  # type: ignore[arg-type]
        layer.stride,  # type: ignore[arg-type]
        layer.padding,  # type: ignore[arg-type]
        layer.dilation,  # type: ignore[arg-type]
        groups,
        bias=False,
        padding_mode=layer.padding_mode,
    )
    one_each = torch.eye(inputs).reshape(inputs, *layer.weight.shape[1:])
    taking.weight.data.copy_(one_each.repeat(groups, *[1] * (one_each.dim() - 1)))
    taking.to(layer.weight.device)

    def take(values: Tensor) -> Iterator[Tensor]:
        if not values.numel():
            return
        batched = values if values.dim() == layer.weight.dim() else values[None]
        most_rows = max(1, MOST_BYTES // taking(batched[:1]).nbytes)
        for start in range(0, len(batched), most_rows):
            given: Tensor = taking(batched[start : start + most_rows])
            yield given.reshape(len(given), groups, inputs, -1).permute(0, 3, 1, 2).flatten(0, 1)

    return take
