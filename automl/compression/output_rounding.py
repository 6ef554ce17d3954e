"""Results of integer convolutions, rounded where that is not done by who reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from torch import Tensor, nn

from automl.compression.calibration import observe
from automl.compression.fold_batch_norm import Removed
from automl.compression.integer_kernels import runs_on_integers
from automl.compression.proof import answers_alike, some_of
from automl.compression.quantization_grid import activation_grid
from automl.compression.quantized_layers import Quantized
from automl.compression.rounded_inputs import INPUT, OUTPUT, Rounding
from automl.models.dataflow import Call, Flow, Seen, flow_of
from automl.models.deployed import device_of
from automl.models.family import Network, copy_weights, last_edit, replace_last_edit
from automl.models.layer_edits import LayerEdit

PASSING = (nn.ReLU, nn.MaxPool1d, nn.MaxPool2d, nn.Flatten)
PASSING_FUNCTIONS = ("relu", "relu_", "max_pool1d", "max_pool2d", "flatten")
"""Layers and functions through which onnxruntime moves a rounding up to the convolution."""


@dataclass(frozen=True)
class Result:
    """A convolution's result that is to be rounded.

    Where all that reads it takes what is above 0 alone, it `is_rectified`; `relu` is the layer
    that does so and nothing else, if there is one.
    """

    is_rectified: bool
    relu: str


def round_outputs(network: Network, rows: Tensor) -> Network:
    """Round the results of convolutions on 8-bit inputs, as an integer convolution needs it, but
    those that their readers round alike; a ReLU right after one is then part of the rounding.

    The values of `rows` (rows, *input shape) set the steps. A ReLU goes only if the answers on
    some of them stay.
    """
    found = _to_round(network, rows)
    if not found:
        return network
    rounding = _rounding(network, found, rows)
    relus = {result.relu for result in found.values()} - {""}
    shorter = replace_last_edit(rounding, dict.fromkeys(relus, Removed()))
    copy_weights(rounding, shorter)
    shorter.to(device_of(network)).eval()
    return shorter if answers_alike(rounding, shorter, some_of(rows)) else rounding


def _to_round(network: Network, rows: Tensor) -> dict[str, Result]:
    """The convolutions whose results are to be rounded.

    On coarser inputs integer kernels would not pay: a result that they round otherwise than
    torch may fall to the other side of a step.
    """
    layers = dict(network.body.named_modules())
    quantized = {name for name, layer in layers.items() if _reads_integers(layer)}
    flow, found = flow_of(network.body, rows, single=quantized), {}
    for name, layer in layers.items():
        if runs_on_integers(layer) and not isinstance(layer, nn.Linear):
            results = [call.gave[0] for call in flow.modules.get(name, ())]
            if not all(_reach_integers(flow, result, layers) for result in results):
                found[name] = _result(flow, results, layers)
    return found


def _reach_integers(flow: Flow, result: Seen, layers: Mapping[str, nn.Module]) -> bool:
    """Tell if a result enters quantized layers alone, that round it alike, on a way that a
    rounding may go back.

    Of a result that is rounded twice in a row, onnxruntime would make one rounding to a third grid.
    """
    while True:
        readers = flow.readers(result)
        reading = [layers[reader.name] for reader in readers if reader.is_module]
        if len(reading) == len(readers) and _round_alike(reading):
            return True
        if len(readers) != 1 or not _passes(readers[0], layers) or len(readers[0].gave) != 1:
            return False
        result = readers[0].gave[0]


def _round_alike(layers: Sequence[nn.Module]) -> bool:
    """Tell if layers round what they read, several of them to one grid."""
    if not all(map(_reads_integers, layers)):
        return False
    roundings = [layer.get_submodule(INPUT) for layer in layers]
    fixed = [one for one in roundings if isinstance(one, Rounding)]
    grids = {(one.steps, float(one.scale), int(one.zero_point)) for one in fixed}
    return len(layers) == 1 or (len(fixed) == len(layers) and len(grids) == 1)


def _reads_integers(layer: nn.Module) -> bool:
    """Tell if a layer rounds what it reads."""
    return INPUT in dict(layer.named_children())


def _passes(call: Call, layers: Mapping[str, nn.Module]) -> bool:
    return type(layers[call.name]) in PASSING if call.is_module else call.name in PASSING_FUNCTIONS


def _result(flow: Flow, results: list[Seen], layers: Mapping[str, nn.Module]) -> Result:
    readers = [reader for result in results for reader in flow.readers(result)]
    names = {
        reader.name
        for reader in readers
        if reader.is_module and type(layers[reader.name]) is nn.ReLU
    }
    is_rectified = bool(readers) and all(
        reader.name in (names if reader.is_module else ("relu", "relu_")) for reader in readers
    )
    alone = [name for name in names if flow.only_call(name)] if len(readers) == 1 else []
    return Result(is_rectified, alone[0] if is_rectified and alone else "")


def _rounding(network: Network, found: Mapping[str, Result], rows: Tensor) -> Network:
    """The network in which these results are rounded."""
    layer_edits: dict[str, LayerEdit] = {
        name: replace(cast(Quantized, last_edit(network, name)), output=True) for name in found
    }
    rounding = replace_last_edit(network, layer_edits)
    copy_weights(network, rounding)
    _, leaving = observe(network.body, found, rows)
    for name, result in found.items():
        values = leaving[name].clamp_min(0) if result.is_rectified else leaving[name]
        grid = cast(Rounding, rounding.body.get_submodule(f"{name}.{OUTPUT}"))
        grid.fit(*activation_grid(values, 8))
    return rounding.to(device_of(network)).eval()
