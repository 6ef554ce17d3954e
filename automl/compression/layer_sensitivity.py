"""Losses of each layer at each size that it may have, and a budget of size spread by them.

A loss is of that layer alone changed; those of several layers are taken to add up. It is measured
by a pass of the whole network for each size of each layer, or, where a size changes numbers in
some tensors and no shapes, estimated for all of them at once (`estimated_losses.py`).
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TypeAlias

from automl.compression.calibration import (
    CALIBRATION_ROWS,
    LEAST_ROWS,
    interleaved,
    recalibrate,
    seen_rows,
)
from automl.compression.coded_weight import along
from automl.compression.estimated_losses import Change, estimated
from automl.compression.quantization_grid import LIMITS, codes_of, stored_bits, weight_scale
from automl.compression.quantized_layers import by_output, coded
from automl.models.deployed import predict
from automl.models.family import Network, count_parameters
from automl.models.weights import Weight
from automl.recipe import Context, LayerOption, LayerSensitivity, Step

Options: TypeAlias = dict[str, list[LayerOption]]
Candidate: TypeAlias = tuple[str, float, float, Network]
"""A layer, a value and its size, and the model in which that layer alone has them."""


def measured(network: Network, candidates: Iterable[Candidate], context: Context) -> Options:
    """The loss of each candidate against the network, on training rows."""
    rows = interleaved(seen_rows(network, context), measuring_rows(network))[0]
    whole = predict(network.to(context.device), rows)
    variance = whole.var(0).mean().clamp_min(1e-12)
    options: Options = {}
    for layer, value, size, changed in candidates:
        moved = (predict(changed.to(context.device), rows) - whole) ** 2
        loss = (moved.mean() / variance).item()
        options.setdefault(layer, []).append(LayerOption(value, size, loss))
    return options


def measuring_rows(network: Network) -> int:
    """The number of rows on which candidates are measured: fewer of a network of more than a
    million weights, of which each has its own passes."""
    fewer = CALIBRATION_ROWS * 1_000_000 // max(1, count_parameters(network))
    return min(CALIBRATION_ROWS, max(LEAST_ROWS, fewer))


def measured_once(
    step: Step,
    of: str,
    network: Network,
    candidates: Iterable[Candidate],
    context: Context,
    **settings: object,
) -> Options:
    """Measure the candidates of the network before a step, once for all trials that begin alike.

    The losses are shown with the result of each trial. `settings` are JSON values on which the
    candidates depend beside the network.
    """
    if (rows := measuring_rows(network)) < CALIBRATION_ROWS:
        settings["rows"] = rows
    return _once(step, of, lambda: measured(network, candidates, context), context, settings)


def estimated_once(
    step: Step,
    of: str,
    network: Network,
    changes: Iterable[Change],
    context: Context,
    **settings: object,
) -> Options:
    """Estimate the losses of changes as `measured_once` measures those of candidates."""
    return _once(step, of, lambda: estimated(network, changes, context), context, settings)


def _once(
    step: Step,
    of: str,
    find: Callable[[], Options],
    context: Context,
    settings: Mapping[str, object],
) -> Options:
    given = json.dumps(settings, sort_keys=True)
    digest = hashlib.sha256(given.encode()).hexdigest()

    def make() -> bytes:
        found = find().items()
        return json.dumps({layer: [vars(o) for o in own] for layer, own in found}).encode()

    layers = json.loads(context.once(f"sensitivity_{of}_{digest[:16]}.json", make))
    options = {name: [LayerOption(**option) for option in own] for name, own in layers.items()}
    context.sensitivity[step.label] = LayerSensitivity(of, json.loads(given), options)
    return options


def spread(options: Options, budget: float) -> dict[str, LayerOption]:
    """Choose an option for each layer, within the budget together where that can be, at least loss.

    From the largest of each, the step down that costs least for the size it saves comes next.
    Size that the last step saved beyond need goes back to where it helps most.
    """
    chosen = {layer: max(own, key=lambda option: option.size) for layer, own in options.items()}
    while _size(chosen) > budget:
        down = [
            ((option.loss - now.loss) / (now.size - option.size), layer, option)
            for layer, now in chosen.items()
            for option in options[layer]
            if option.size < now.size
        ]
        if not down:
            return chosen
        _, layer, option = min(down, key=lambda step: step[0])
        chosen[layer] = option
    while up := [
        (now.loss - option.loss, layer, option)
        for layer, now in chosen.items()
        for option in options[layer]
        if option.loss < now.loss and option.size - now.size <= budget - _size(chosen)
    ]:
        _, layer, option = max(up, key=lambda step: step[0])
        chosen[layer] = option
    return chosen


def refreshed(network: Network, context: Context) -> Network:
    """A copy whose batch norms are estimated on calibration rows, as those of narrower and of
    low-rank candidates are. Both steps do so at their end, and what they will lose is foretold
    far better (pruned models of digits: a rank correlation of 0.99, else 0.75 to 0.94)."""
    return recalibrate(copy.deepcopy(network), context, measuring_rows(network))


def in_fewer_bits(
    weights: Mapping[str, Weight], with_zeros: Collection[str] = ()
) -> Iterator[Change]:
    """Each weight, by its label, rounded to each number of bits; those `with_zeros` that are kept
    to each that has a code for them."""
    for label, weight in weights.items():
        values, keeps_zeros = weight.values.detach(), label in with_zeros
        for bits in [bits for bits in LIMITS if bits > 1 or not keeps_zeros]:
            codes = coded(weight, bits, False, keeps_zeros)
            rows = by_output(values, codes.axis)
            scale = along(weight_scale(rows, bits, codes.levels), values, codes.axis)
            rounded = codes_of(values / scale, bits, codes.levels) * scale
            yield label, bits, stored_bits(bits) * values.numel(), {weight.name: rounded}


def _size(chosen: Mapping[str, LayerOption]) -> float:
    return sum(option.size for option in chosen.values())
