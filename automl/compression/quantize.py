"""Quantization of weights to 8 bits and fewer, calibrated here: what was calibrated ships."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, cast

from torch import nn

from automl.compression.calibration import reading_numbers, usual_quality
from automl.compression.changeable import Changeable, changeable, refuse_embedding
from automl.compression.coded_weight import Codes
from automl.compression.gptq import ROWS_IN_TURN, compensated, compensated_in_turn
from automl.compression.integer_kernels import is_slow_in_integers, takes_integers
from automl.compression.layer_sensitivity import estimated_once, in_fewer_bits, spread
from automl.compression.plain_weights import plain
from automl.compression.quantization_grid import LIMITS, TERNARY
from automl.compression.quantized_layers import DYNAMIC, Learned, coded
from automl.compression.rounded_network import finished, learned
from automl.config import canonical
from automl.data.dataset import DatasetInfo
from automl.errors import Rejected, UserError
from automl.models.family import Network
from automl.models.plain_layers import KINDS
from automl.models.possible_network import PossibleNetwork
from automl.models.weights import Weight
from automl.recipe import Context, LayerOutcome, Report, Sibling, Step
from automl.training.loop import Train
from automl.training.losses import Loss
from automl.training.optimizers import AdamW
from automl.training.schedules import Cosine, Warmup

SLOW = ", computed with floats, which is faster for such groups"
"""What is said of a layer that integer kernels would slow down."""
ACTIVATION_BITS = sorted(LIMITS.keys() - {TERNARY}, reverse=True)
AWARE_EPOCHS = 5
"""Epochs of quantization-aware training where weights or activations have less than 4 bits."""
CODED_BYTES = 140
"""What a layer takes in a file beside its weights' codes, more than one of fp32: at least."""
RATE, RATE_BELOW_2_BITS = 1e-3, 1e-2
"""Peak learning rates of that training. Codes of 1 bit and ternary ones are far from each other:
few weights would come to the next one in so few steps. Wide networks may lose a point by it, at 2
bits too, where narrow ones gain less."""


@dataclass(frozen=True)
class Quantize(Step):
    """Store every weight as an integer of `bits`: 8, 6, 5, 4, 3, 2, 1.58 or 1, where 1.58 are
    ternary weights, five in a byte. Convolutions and linear layers read inputs of
    `activation_bits`: below 8, uint8 on a coarser grid, which changes quality, not speed.

    With `activation_bits` None linear layers round what they read to 8 bits of each batch's own
    range, as suits Transformers, and convolutions read it as it is. The first and the last
    layer have `ends_bits`; or `layer_bits` gives one width for each weight, in their order. With
    `average_bits` above 0 each weight gets the width that the measured sensitivity allows. With
    `codebook` the codes of less than 8 bits are not evenly spaced but found by k-means. What
    `keep` names, a module or a weight, stays as it is. `training` is quantization-aware training
    after the calibration, of which the better result is kept: by default a short one below
    4 bits, none at 4 and above; with `Train(epochs=0)` none at any width. `loss` is that of this
    training, and asks for it at any width: with `Distill("train")` the network that was trained
    teaches the one with fewer bits. What `Clip` set to 0 stays 0: at 3 and 2 bits and in a
    codebook one code is 0 then, and in the place of 1 bit are 1.58.

    With `rounding` "gptq" a linear or convolution layer's codes of less than 8 bits are not the
    nearest ones, but those that together change least of what the layer gives on calibration rows;
    scales, biases and statistics of batch norms follow, and a training begins there. With "gptaq"
    the layers are rounded in turn, and each also makes up for what those before it have changed, at
    some passes of calibration rows for each layer. "nearest" leaves that out.
    """

    bits: float = 8
    activation_bits: int | None = 8
    ends_bits: float = 8
    layer_bits: tuple[float, ...] = ()
    average_bits: float = 0.0
    codebook: bool = False
    training: Train | None = None
    keep: tuple[str, ...] = ()
    loss: Loss | None = None
    rounding: Literal["nearest", "gptq", "gptaq"] = "gptq"
    remakes_layers: ClassVar[bool] = True
    later_fields: ClassVar[Mapping[str, object]] = {"loss": None, "rounding": "nearest"}

    def fingerprint(self) -> str:
        """The text of the step, with the usual training where that follows."""
        usual = self.aware_training()
        is_usual = self.training is None and usual.epochs > 0
        return canonical(replace(self, training=usual) if is_usual else self)

    @property
    def teacher(self) -> str | Sibling:
        return self.aware_training().teacher

    @property
    def num_workers(self) -> int:
        return self.training.num_workers if self.training else 0

    def check(self, before: tuple[Step, ...]) -> None:
        _check_widths(self, "bits", [self.bits], LIMITS)
        _check_widths(self, "ends_bits", [self.ends_bits], LIMITS)
        _check_widths(self, "layer_bits", self.layer_bits, LIMITS)
        if self.activation_bits is not None:
            _check_widths(self, "activation_bits", [self.activation_bits], ACTIVATION_BITS)
        if self.layer_bits and self.average_bits:
            raise UserError(
                f"step {self.label!r} has layer_bits and average_bits; leave out one of them"
            )
        if self.average_bits and not 1 <= self.average_bits <= 8:
            raise UserError(f"step {self.label!r}: average_bits={self.average_bits} is not 1 to 8")
        training = self.aware_training()
        if training.epochs:
            training.check(before)
        elif self.loss is not None:
            raise UserError(f"step {self.label!r} has a loss, but no epochs of training to use it")

    def check_data(self, info: DatasetInfo) -> None:
        if self.aware_training().epochs:
            self.aware_training().check_data(info)

    def suits(self, network: PossibleNetwork) -> bool:
        layers, shape = network.float_layers(self.keep), network.shape
        is_known = all(layer.built_with for layer in layers) and not shape.has_other_weights
        if shape.embeddings or not is_known:
            return True
        saved = sum(layer.num_weights for layer in layers) * (4 - self._fewest_bits() / 8)
        return saved > CODED_BYTES * len(layers)

    def after(self, network: PossibleNetwork) -> list[PossibleNetwork]:
        names = [layer.name for layer in network.float_layers(self.keep)]
        embeddings, is_ours = network.shape.embeddings, network.shape.is_ours
        if not names and not embeddings:
            return []
        if self.average_bits:
            # Each weight may come to have 1 bit, and none is certain to.
            every = network.shape.layers
            network = network.with_layers(replace(layer, built_with="") for layer in every)
        network = network.with_embedding_bits(self._fewest_bits(), self.keep)
        is_sure = is_ours and not (self.average_bits or (self.layer_bits and embeddings))
        if is_sure and all(layer.built_with for layer in network.shape.layers):
            return [network.with_bits(self.given_widths(names, names))]
        return [network.with_bits(dict.fromkeys(names, self._fewest_bits()))]

    def work(self, before: float, after: float, teacher: float, num_rows: int) -> float:
        calibration = super().work(before, after, teacher, num_rows)
        return calibration + self.aware_training().work(before, after, teacher, num_rows)

    def rows_for_layers(self, network: PossibleNetwork) -> int:
        if self.rounding != "gptaq":
            return 0
        names = [layer.name for layer in network.float_layers(self.keep)]
        fewest = dict.fromkeys(names, self._fewest_bits())
        widths = fewest if self.average_bits else self.given_widths(names, names)
        return ROWS_IN_TURN * sum(bits < 8 for bits in widths.values())

    def shortened(self, share: float) -> Step:
        training = self.aware_training()
        if not training.epochs:
            return self
        return replace(self, training=cast(Train, training.shortened(share)))

    def without_each_technique(self) -> dict[str, Step]:
        training = self.aware_training()
        if not training.epochs:
            return {}
        others: dict[str, Step] = {"training": Train(epochs=0)}
        others |= training.without_each_technique()
        return {
            name: replace(self, training=cast(Train, other), loss=None)
            for name, other in others.items()
        }

    def run(self, network: Network, context: Context) -> Generator[Report, None, Network]:
        network = plain(network.to(context.device).eval(), context)
        found = changeable(network, context, "Quantize", self.keep, lambda weight: "")
        zeros = _with_zeros(network, found.weights)
        widths = self._widths(network, found, zeros, context)
        reading = reading_numbers(network, context)
        edits = self._layer_edits(found.weights, widths, zeros, reading)
        start, refused = learned(network, edits, context)
        context.outcomes[self.label] = _outcomes(found, widths, refused)
        if self.rounding != "nearest":
            fitted = compensated_in_turn if self.rounding == "gptaq" else compensated
            start = fitted(network, start, context)
        training = self.aware_training()
        calibrated = finished(start, context)
        if training.epochs == 0:
            return calibrated
        trained = finished((yield from training.run(start, context)), context)
        rows, info = context.data.validation, context.data.info
        return max((trained, calibrated), key=lambda one: usual_quality(one, rows, info))

    def given_widths(self, names: Sequence[str], ends: Sequence[str]) -> dict[str, float]:
        """The bits of each weight, where no sensitivity decides; the first and the last of `ends`
        are those of the network. Raises Rejected where `layer_bits` has not one for each."""
        if self.layer_bits:
            if len(self.layer_bits) != len(names):
                raise Rejected(
                    f"Quantize: layer_bits has {len(self.layer_bits)} widths for the "
                    f"{len(names)} layers {', '.join(names)}; give one for each"
                )
            return dict(zip(names, self.layer_bits, strict=True))
        widths = dict.fromkeys(names, self.bits)
        return widths | dict.fromkeys((*ends[:1], *ends[-1:]), max(self.bits, self.ends_bits))

    def _layer_edits(
        self,
        weights: Mapping[str, Weight],
        widths: Mapping[str, float],
        zeros: Collection[str],
        reading: Collection[str],
    ) -> dict[str, Learned]:
        """The edits by layer; layers that are `reading` numbers may do so as integers."""
        codes = defaultdict[str, dict[str, Codes]](dict)
        for label, weight in weights.items():
            own = coded(weight, widths[label], self.codebook, label in zeros)
            codes[weight.layer][weight.tensor] = own
        modules = {weight.layer: weight.module for weight in weights.values()}
        return {
            layer: Learned(own, self._input_bits(modules[layer]) if layer in reading else 0)
            for layer, own in codes.items()
        }

    def _input_bits(self, layer: nn.Module) -> int:
        """The bits of what a layer reads; 0 where a runtime computes the layer with floats."""
        if self.activation_bits is not None:
            return self.activation_bits if takes_integers(layer) else 0
        return DYNAMIC if isinstance(layer, nn.Linear) and takes_integers(layer) else 0

    def _fewest_bits(self) -> float:
        """The fewest bits that any layer may have."""
        return 1 if self.average_bits else min(self.layer_bits or (self.bits,))

    def aware_training(self) -> Train:
        """The training that follows the calibration; of no epochs where none does."""
        fewest = self._fewest_bits()
        fine = min(fewest, self.activation_bits or 8) >= 4 and self.loss is None
        rate = RATE_BELOW_2_BITS if fewest < 2 and not self.average_bits else RATE
        short = Train(AdamW(weight_decay=0.0), Warmup(Cosine(rate)), epochs=AWARE_EPOCHS)
        usual = replace(short, epochs=0) if fine else short
        training = self.training or usual
        return replace(training, label=self.label, loss=self.loss or training.loss)

    def _widths(
        self, network: Network, found: Changeable, zeros: Collection[str], context: Context
    ) -> dict[str, float]:
        """The bits of each weight that can be coded, by its label; those with `zeros` have none
        of 1 bit."""
        if not self.average_bits:
            given = self.given_widths(list(found.weights), found.ends(network, context, KINDS))
            if wider := {label: TERNARY for label in zeros if given[label] == 1}:
                context.notes.append(f"1.58 bits, as 1 has no code for zeros: {', '.join(wider)}")
            return given | wider
        settings = {"layers": list(found.weights)} | ({"with_zeros": zeros} if zeros else {})
        candidates = in_fewer_bits(found.weights, zeros)
        losses = estimated_once(self, "bits", network, candidates, context, **settings)
        numbers = sum(weight.values.numel() for weight in found.weights.values())
        chosen = spread(losses, self.average_bits * numbers)
        widths = {name: option.value for name, option in chosen.items()}
        listed = ", ".join(f"{name} {bits:g}" for name, bits in widths.items())
        context.notes.append(f"bits by layer: {listed}")
        return widths


def _check_widths(
    step: Step, name: str, given: Collection[float], known: Collection[float]
) -> None:
    """Raise UserError at a number of bits, in a field of a step, that is none of those known."""
    for bits in given:
        if bits not in known:
            *most, last = sorted(known, reverse=True)
            widths = f"{', '.join(map(str, most))} and {last}"
            raise UserError(f"step {step.label!r}: {name}={bits}; choose one of {widths}")


def _with_zeros(network: Network, weights: Mapping[str, Weight]) -> list[str]:
    """The labels of the weights some of which are 0 and are to stay so. A row of an embedding that
    is 0 stands for no token; Clip leaves these."""
    if not network.spec.keeps_zeros:
        return []
    clipped = {label: one for label, one in weights.items() if not refuse_embedding(one)}
    return [label for label, weight in clipped.items() if not weight.values.detach().all()]


def _outcomes(
    found: Changeable, widths: Mapping[str, float], refused: Mapping[str, str]
) -> tuple[LayerOutcome, ...]:
    """The outcome of each weight, given the reasons of layers that were refused."""
    staying = {
        label: refused[weight.layer]
        for label, weight in found.weights.items()
        if weight.layer in refused
    }
    changes = {
        label: f"{bits:g} bits" + SLOW * is_slow_in_integers(found.weights[label].module)
        for label, bits in widths.items()
    }
    return found.without(staying).outcomes(changes)
