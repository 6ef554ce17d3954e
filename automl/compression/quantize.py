"""Quantization of weights to 8, 4, 2 or 1 bits, calibrated here: what was calibrated ships."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, cast

import torch
from torch import Tensor

from automl import quality
from automl.compression.calibration import first_readers, observe, seen_rows
from automl.compression.coded_layer import per_output
from automl.compression.fold_batch_norm import Removed, fold_batch_norm
from automl.compression.layer_sensitivity import estimated_once, in_fewer_bits, spread
from automl.compression.output_rounding import outputs_to_round
from automl.compression.quantization_grid import (
    LIMITS,
    activation_grid,
    codebook,
    codes_of,
    weight_scale,
)
from automl.compression.quantized_layers import (
    Learned,
    LearnedLayer,
    Quantized,
    QuantizedLayer,
)
from automl.errors import Rejected, UserError
from automl.models.deployed import Deployed, predict
from automl.models.family import (
    LayerEdit,
    Network,
    copy_weights,
    edit_layers,
    last_edit,
    replace_last_edit,
)
from automl.models.plain_layers import quantizable
from automl.models.possible_network import PossibleNetwork
from automl.recipe import Context, Report, Sibling, Step
from automl.training.loop import Train
from automl.training.optimizers import AdamW
from automl.training.schedules import Cosine, Warmup

AWARE_EPOCHS = 5
"""Epochs of quantization-aware training where weights or activations have less than 4 bits."""


@dataclass(frozen=True)
class Quantize(Step):
    """Every convolution and linear layer with integer weights of `bits`, and inputs of
    `activation_bits`: below 8, uint8 on a coarser grid, which changes quality, not speed.

    The first and the last layer have `ends_bits`; or `layer_bits` gives one width for each layer,
    in their order. With `average_bits` above 0 each layer gets the width that the measured
    sensitivity allows. With `codebook` the codes of less than 8 bits are not evenly spaced but
    found by k-means. `training` is quantization-aware training after the calibration, of which
    the better result is kept: by default a short one at 2 and 1 bits, none above; with
    `Train(epochs=0)` none at any width.
    """

    bits: int = 8
    activation_bits: int = 8
    ends_bits: int = 8
    layer_bits: tuple[int, ...] = ()
    average_bits: float = 0.0
    codebook: bool = False
    training: Train | None = None
    remakes_layers: ClassVar[bool] = True

    @property
    def teacher(self) -> str | Sibling:
        return self.training.teacher if self.training else ""

    @property
    def num_workers(self) -> int:
        return self.training.num_workers if self.training else 0

    def check(self, before: tuple[Step, ...]) -> None:
        given = [(name, getattr(self, name)) for name in ("bits", "activation_bits", "ends_bits")]
        for name, bits in (*given, *(("layer_bits", bits) for bits in self.layer_bits)):
            if bits not in LIMITS:
                *most, last = sorted(LIMITS, reverse=True)
                widths = f"{', '.join(map(str, most))} and {last}"
                raise UserError(f"step {self.label!r}: {name}={bits}; choose one of {widths}")
        if self.layer_bits and self.average_bits:
            raise UserError(
                f"step {self.label!r} has layer_bits and average_bits; leave out one of them"
            )
        if self.average_bits and not 1 <= self.average_bits <= 8:
            raise UserError(f"step {self.label!r}: average_bits={self.average_bits} is not 1 to 8")
        if self.training is not None and self.training.epochs:
            self.training.check(before)

    def after(self, network: PossibleNetwork) -> list[PossibleNetwork]:
        layers = [layer for layer in network.float_layers() if layer.can_be_integers]
        names = [layer.name for layer in layers]
        if not names:
            return []
        if self.average_bits:
            # Each layer may come to have 1 bit, and none is certain to.
            every = network.shape.layers
            network = network.with_layers(replace(layer, built_with="") for layer in every)
        elif all(layer.built_with for layer in layers):
            return [network.with_bits(self.given_widths(names))]
        return [network.with_bits(dict.fromkeys(names, self._fewest_bits()))]

    def work(self, before: float, after: float, teacher: float, num_rows: int) -> float:
        calibration = super().work(before, after, teacher, num_rows)
        return calibration + self.aware_training().work(before, after, teacher, num_rows)

    def without_each_technique(self) -> dict[str, Step]:
        training = self.aware_training()
        if not training.epochs:
            return {}
        plainer: dict[str, Step] = {"training": replace(self, training=Train(epochs=0))}
        for name, other in training.without_each_technique().items():
            plainer[name] = replace(self, training=cast(Train, other))
        return plainer

    def run(self, network: Network, context: Context) -> Generator[Report, None, Network]:
        network = network.to(context.device).eval()
        layer_edits = self._layer_edits(network, self._widths(network, context))
        start, training = learned(network, layer_edits, context), self.aware_training()
        calibrated = finished(start, context)
        if training.epochs == 0:
            return calibrated
        trained = finished((yield from training.run(start, context)), context)
        return max((trained, calibrated), key=lambda candidate: _quality(candidate, context))

    def given_widths(self, names: Sequence[str]) -> dict[str, int]:
        """The bits of each layer, where no sensitivity decides. Raises Rejected where there are
        not as many of them as layers."""
        if self.layer_bits:
            if len(self.layer_bits) != len(names):
                raise Rejected(
                    f"Quantize: layer_bits has {len(self.layer_bits)} widths for the "
                    f"{len(names)} layers {', '.join(names)}; give one for each"
                )
            return dict(zip(names, self.layer_bits, strict=True))
        ends = dict.fromkeys((names[0], names[-1]), max(self.bits, self.ends_bits))
        return dict.fromkeys(names, self.bits) | ends

    def _layer_edits(self, network: Network, widths: Mapping[str, int]) -> dict[str, Learned]:
        layers, layer_edits = quantizable(network), {}
        for name, bits in widths.items():
            rows = layers[name].weight.detach().flatten(1)
            levels = codebook(rows, bits) if self.codebook and bits < 8 else ()
            layer_edits[name] = Learned(bits, self.activation_bits, levels)
        return layer_edits

    def _fewest_bits(self) -> int:
        """The fewest bits that any layer may have."""
        return 1 if self.average_bits else min(self.layer_bits or (self.bits,))

    def aware_training(self) -> Train:
        """The training that follows the calibration; of no epochs where none does."""
        fine = min(self._fewest_bits(), self.activation_bits) >= 4
        short = Train(AdamW(weight_decay=0.0), Warmup(Cosine(1e-3)), epochs=AWARE_EPOCHS)
        usual = replace(short, epochs=0) if fine else short
        return replace(self.training or usual, label=self.label)

    def _widths(self, network: Network, context: Context) -> dict[str, int]:
        """The bits of each layer that can be quantized."""
        layers = quantizable(network)
        if not layers:
            raise Rejected("Quantize: there is no layer left to quantize")
        if not self.average_bits:
            return self.given_widths(list(layers))
        candidates = in_fewer_bits(network, layers)
        found = estimated_once(self, "bits", network, candidates, context)
        weights = sum(layer.weight.numel() for layer in layers.values())
        chosen = spread(found, self.average_bits * weights)
        widths = {name: int(option.value) for name, option in chosen.items()}
        context.notes.append(f"bits by layer: {', '.join(f'{n} {b}' for n, b in widths.items())}")
        return widths


def learned(network: Network, layer_edits: Mapping[str, Learned], context: Context) -> Network:
    """The network with layers that see their rounding, scales calibrated; batch norms stay.

    Layers that read the same tensor round it alike, once for all of them.
    """
    layers, rows = quantizable(network), seen_rows(network, context)
    entering, _ = observe(network.body, layers, rows)
    readers = first_readers(network.body, layers, rows)
    start = edit_layers(network, layer_edits)
    start.to(context.device)
    copy_weights(network, start)
    for name, made in layer_edits.items():
        layer = cast(LearnedLayer, start.body.get_submodule(name))
        scale, zero_point = activation_grid(entering[name], made.activation_bits)
        with torch.no_grad():
            fitting = weight_scale(layer.weight.flatten(1), made.bits, made.levels)
            layer.log_scale.copy_(fitting.log())
            layer.log_input_scale.fill_(torch.tensor(scale).log())
            layer.input_zero_point.fill_(zero_point)
        first = cast(LearnedLayer, start.body.get_submodule(readers[name]))
        layer.log_input_scale = first.log_input_scale
    return start.eval()


def finished(network: Network, context: Context) -> Network:
    """The network that ships, of a network of learned layers: codes, batch norms merged into
    their scales, and results rounded where integer convolutions need that."""
    network.eval()
    names = {n: m for n, m in network.body.named_modules() if isinstance(m, LearnedLayer)}
    shipped = replace_last_edit(network, {n: _as_quantized(network, n) for n in names}).to(
        context.device
    )
    copy_weights(network, shipped)
    for name, layer in names.items():
        shipped.body.get_submodule(name).load_state_dict(_frozen(layer))
    folded = fold_batch_norm(shipped.eval())
    for module in folded.modules():
        if isinstance(module, QuantizedLayer):
            module.round_bias()
    return _with_outputs(folded, context)


def _as_quantized(network: Network, name: str) -> Quantized:
    kept = last_edit(network, name)
    assert isinstance(kept, Learned)
    return Quantized(kept.bits, kept.activation_bits)


def _frozen(layer: LearnedLayer) -> dict[str, Tensor]:
    """The state of the quantized layer that computes what a learned one does."""
    weight, scale = layer.weight.detach(), layer.scale().detach()
    codes = codes_of(weight / per_output(scale, weight), layer.bits, layer.levels)
    state = {
        "codes": codes.to(torch.int8),
        "scale": scale,
        "bias": torch.zeros_like(scale) if layer.bias is None else layer.bias.detach(),
        "input_scale": layer.log_input_scale.detach().exp(),
        "input_zero_point": layer.input_zero_point,
    }
    if layer.steps < 255:
        low = -layer.input_zero_point.float() * state["input_scale"]
        state |= {"input_low": low, "input_high": low + layer.steps * state["input_scale"]}
    return state


def _with_outputs(network: Network, context: Context) -> Network:
    """Round the results of convolutions that no quantized layer reads at once; a ReLU after
    one is then part of the rounding."""
    followers = outputs_to_round(network)
    if not followers:
        return network
    ends = {name: relu or name for name, relu in followers.items()}
    _, leaving = observe(network.body, set(ends.values()), seen_rows(network, context))
    layer_edits: dict[str, LayerEdit] = {}
    for name, relu in followers.items():
        layer_edits[name] = replace(cast(Quantized, last_edit(network, name)), output=True)
        if relu:
            layer_edits[relu] = Removed()
    rounding = replace_last_edit(network, layer_edits).to(context.device)
    copy_weights(network, rounding)
    for name, end in ends.items():
        layer = cast(QuantizedLayer, rounding.body.get_submodule(name))
        scale, zero_point = activation_grid(leaving[end], 8)
        layer.output_scale.fill_(scale)
        layer.output_zero_point.fill_(zero_point)
    return rounding.eval()


def _quality(network: Network, context: Context) -> float:
    """The task's usual metric on the validation rows, more being better."""
    rows, info = context.data.validation, context.data.info
    answers = predict(Deployed(network, info).to(context.device), torch.from_numpy(rows.inputs))
    name, metric = next(iter(quality.metrics(len(info.classes)).items()))
    value = quality.measured(answers.cpu().numpy(), rows.targets)[name]
    return value if metric.better == "max" else -value
