"""A network whose layers learn to see their rounding, and the network of integers that ships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from automl.compression.calibration import first_readers, seen_rows, values_entering
from automl.compression.changeable import in_words
from automl.compression.coded_weight import computing, held
from automl.compression.fold_batch_norm import fold_batch_norm
from automl.compression.learned_rounding import LearnedRounding
from automl.compression.output_rounding import round_outputs
from automl.compression.quantization_grid import activation_grid
from automl.compression.quantized_layers import (
    Learned,
    LearnedWeight,
    freeze,
    round_numbers,
)
from automl.compression.rounded_inputs import INPUT
from automl.compression.rounding_proof import far, unproven
from automl.errors import Rejected
from automl.models.family import (
    Network,
    copy_weights,
    edit_layers,
    last_edit,
    replace_last_edit,
)
from automl.recipe import Context

PROOF_ROWS = 64


def learned(
    network: Network, layer_edits: Mapping[str, Learned], context: Context
) -> tuple[Network, dict[str, str]]:
    """The network with layers that see their rounding, scales calibrated; batch norms stay.

    Layers that read the same values round them alike, once for all of them. What is far from
    itself when its inputs are rounded reads them as they are. Layers whose edit cannot be proven
    stay as they are: the reasons, by layer. Raises Rejected where all do.
    """
    rows, edits = seen_rows(network, context), dict(layer_edits)
    rounding = [name for name, edit in edits.items() if edit.activation_bits]
    on_grids = [name for name in rounding if edits[name].activation_bits > 0]
    entering = values_entering(network, on_grids, context)

    def fitted(edits: Mapping[str, Learned]) -> Network:
        return _fitted(network, edits, entering, context)

    start, some = fitted(edits), rows[:PROOF_ROWS]
    if refused := unproven(network, start, edits, fitted, some):
        edits = {name: edit for name, edit in edits.items() if name not in refused}
        if not edits:
            raise Rejected(f"Quantize could change nothing: {in_words(refused)}")
        start = fitted(edits)
    if moved := far(network, start, [name for name in rounding if name in edits], some):
        listed = ", ".join(f"{name} (off by {share:.0%})" for name, share in moved.items())
        context.notes.append(f"inputs that 8 bits do not suit are read as they are: {listed}")
        edits |= {name: replace(edits[name], activation_bits=0) for name in moved}
        start = fitted(edits)
    _share_grids(network, start, [n for n, e in edits.items() if e.activation_bits > 0], rows)
    return start.eval(), refused


def _share_grids(network: Network, start: Network, names: Sequence[str], rows: Tensor) -> None:
    """Have layers that read the same values learn one size of steps for them."""
    grids = {name: start.body.get_submodule(f"{name}.{INPUT}") for name in names}
    for name, first in first_readers(network.body, names, rows).items():
        own, other = grids[name], grids[first]
        assert isinstance(own, LearnedRounding) and isinstance(other, LearnedRounding)
        own.log_scale = other.log_scale


def _fitted(
    network: Network,
    layer_edits: Mapping[str, Learned],
    entering: Mapping[str, Tensor],
    context: Context,
) -> Network:
    """The network with these edits, scales calibrated on what enters each layer."""
    start = edit_layers(network, layer_edits).to(context.device)
    copy_weights(network, start)
    for name, made in layer_edits.items():
        layer, before = start.body.get_submodule(name), network.body.get_submodule(name)
        for tensor in made.weights:
            values = before.get_parameter(tensor).detach()
            held(layer, tensor).data.copy_(values)
            source = computing(layer, tensor)
            assert isinstance(source, LearnedWeight)
            source.fit(values)
        if made.activation_bits > 0:
            rounding = layer.get_submodule(INPUT)
            assert isinstance(rounding, LearnedRounding)
            rounding.fit(*activation_grid(entering[name], made.activation_bits))
    return start.eval()


def finished(network: Network, context: Context) -> Network:
    """The network that ships, of a network of learned layers: codes, batch norms merged into
    their scales, and results rounded where integer convolutions need that."""
    network.eval()
    edits = {
        name: edit.shipped()
        for name in network.spec.layer_edits
        if isinstance(edit := last_edit(network, name), Learned)
    }
    shipped = replace_last_edit(network, edits).to(context.device)
    copy_weights(network, shipped)
    for name, edit in edits.items():
        freeze(network.body.get_submodule(name), shipped.body.get_submodule(name), edit)
    rows = seen_rows(shipped, context)
    folded = fold_batch_norm(shipped.eval(), rows)
    for name in edits:
        round_numbers(folded.body.get_submodule(name))
    return round_outputs(folded, rows)
