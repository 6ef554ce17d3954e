"""Weight clipping: single weights set to 0, which training then leaves at 0.

Magnitude: https://arxiv.org/abs/1506.02626, its spread over layers:
https://arxiv.org/abs/1911.11134, N:M patterns: https://arxiv.org/abs/2104.08378
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from automl.compression.calibration import recalibrate
from automl.compression.changeable import changeable, in_words, refuse_embedding
from automl.compression.plain_weights import plain
from automl.errors import Rejected, UserError
from automl.field_types import Between0And1, NotNegative
from automl.models.family import Network
from automl.models.possible_network import PossibleNetwork
from automl.models.weights import TRANSPOSED, Weight, turned
from automl.recipe import Context, Step


@dataclass(frozen=True)
class Clip(Step):
    """Set to 0 the smallest weights of each layer, `fraction` of all weights together: small
    layers, such as a stem, keep a larger share of theirs.

    `threshold`, where given, sets to 0 what is below it instead; `pattern`, such as "2:4",
    all but the 2 largest of each 4 consecutive inputs. Layers or modules that `keep` names
    stay. The exported file is smaller by what its zeros need not take up.
    """

    fraction: Between0And1 = 0.75
    threshold: NotNegative = 0.0
    pattern: str = ""
    keep: tuple[str, ...] = ()

    def check(self, before: tuple[Step, ...]) -> None:
        if wrong := self._wrong():
            raise UserError(wrong)

    def apply(self, network: Network, context: Context) -> Network:
        if wrong := self._wrong():
            raise Rejected(wrong)
        network = plain(network.to(context.device).eval(), context)
        found = changeable(network, context, "Clip", self.keep, _refuse)
        kept = self._kept(found.weights)
        reasons = {name: _why_whole(mask) for name, mask in kept.items()}
        found = found.without({name: reason for name, reason in reasons.items() if reason})
        if not found.weights:
            raise Rejected(f"Clip changed nothing: {in_words(found.staying)}")
        clipped = Network(replace(network.spec, keeps_zeros=True))
        clipped.load_state_dict(network.state_dict())
        changes = dict[str, str]()
        for label, weight in found.weights.items():
            mask = kept[label]
            left = clipped.body.get_parameter(weight.name).data.mul_(mask.cpu())
            changes[label] = f"{(left == 0).float().mean():.0%} of it 0"
        context.outcomes[self.label] = found.outcomes(changes)
        return recalibrate(clipped.to(context.device), context).eval()

    def after(self, network: PossibleNetwork) -> list[PossibleNetwork]:
        layers = network.float_layers(self.keep)
        if not network.is_dense or not all(layer.built_with for layer in layers):
            return [network.with_least_nonzero({layer.name: 0 for layer in layers})]
        shapes = {layer.name: layer.weight_shape for layer in layers}
        return [network.with_least_nonzero(self.least(shapes))]

    def least(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
        """The least number of weights that stay in each layer, given the shapes of weights."""
        if self.pattern:
            kept, of = _numbers(self.pattern)
            return {
                name: math.prod(shape)
                // shape[1]
                * (shape[1] // of * kept + min(shape[1] % of, kept))
                for name, shape in shapes.items()
            }
        if self.threshold:
            return dict.fromkeys(shapes, 1)
        return spread(shapes, self.fraction)

    def _kept(self, found: Mapping[str, Weight]) -> dict[str, Tensor]:
        """Masks of the weights that stay, by layer: True, in the shape of the weights."""
        if self.pattern:
            numbers = _numbers(self.pattern)
            return {name: _in_pattern(weight, *numbers) for name, weight in found.items()}
        weights = {name: weight.values.detach() for name, weight in found.items()}
        if self.threshold:
            return {name: weight.abs() >= self.threshold for name, weight in weights.items()}
        counts = spread({name: weight.shape for name, weight in weights.items()}, self.fraction)
        return {name: largest(weight, counts[name]) for name, weight in weights.items()}

    def _wrong(self) -> str:
        """The setting that suits no network, in a sentence; "" where there is none."""
        if self.pattern and self.threshold:
            return "Clip: a threshold and a pattern are both given; give one"
        if self.pattern:
            kept, of = _numbers(self.pattern)
            if not 0 < kept < of:
                return f"Clip: pattern {self.pattern!r} is not N:M with N below M, such as '2:4'"
        return ""


def _refuse(weight: Weight) -> str:
    """The reason why a weight is left whole whatever is asked for; "" of one to clip."""
    begins = "" if weight.values.detach().any() else "is 0 throughout, and has yet to learn"
    return refuse_embedding(weight) or begins


def _why_whole(mask: Tensor) -> str:
    """The reason why a weight of which this much would stay is left whole; "" of one to clip."""
    if not mask.any():
        return "would be left without a number; choose a lower threshold or fraction"
    return "holds nothing that is small enough" if mask.all() else ""


def spread(shapes: Mapping[str, tuple[int, ...]], fraction: float) -> dict[str, int]:
    """The number of weights that stay in each layer, given the weights' shapes by layer.

    It is as many as the sizes of a shape add up to, times a number that is the same for all
    layers, so that together they lose `fraction`; all of a layer at the most.
    """
    counts = {name: math.prod(shape) for name, shape in shapes.items()}
    left, cut = (1 - fraction) * sum(counts.values()), dict(shapes)
    while cut:
        each = left / sum(map(sum, cut.values()))
        whole = [name for name, shape in cut.items() if each * sum(shape) >= counts[name]]
        if not whole:
            return counts | {name: max(1, round(each * sum(shape))) for name, shape in cut.items()}
        for name in whole:
            left -= counts[name]
            del cut[name]
    return counts


def largest(weight: Tensor, count: int) -> Tensor:
    """A mask in the shape of `weight`: True at the `count` weights of the largest size."""
    kept = torch.zeros(weight.numel(), dtype=torch.bool, device=weight.device)
    kept[weight.abs().flatten().topk(count).indices] = True
    return kept.reshape(weight.shape)


def _in_pattern(weight: Weight, count: int, of: int) -> Tensor:
    """The mask of a weight whose inputs keep a pattern, in its shape."""
    values, layer = weight.values.detach(), weight.module
    if not (weight.is_of_layer and isinstance(layer, TRANSPOSED)):
        return largest_of_each(values, count, of)
    kept = largest_of_each(turned(values, layer.groups), count, of)
    return turned(kept, layer.groups)


def largest_of_each(weight: Tensor, count: int, of: int) -> Tensor:
    """A mask of weights (outputs, inputs, ...): True at the `count` largest of each `of`
    consecutive inputs, for every output and kernel position. A last group that is shorter keeps
    as many."""
    sizes = weight.abs().movedim(1, -1)
    padded = F.pad(sizes, (0, -sizes.shape[-1] % of), value=-1.0)
    groups = padded.reshape(*padded.shape[:-1], -1, of)
    places = groups.topk(count, dim=-1).indices
    kept = torch.zeros_like(groups, dtype=torch.bool).scatter_(-1, places, True)
    return kept.flatten(-2)[..., : sizes.shape[-1]].movedim(-1, 1)


def _numbers(pattern: str) -> tuple[int, int]:
    """N and M of "N:M"; twice 0 when it is none."""
    found = re.fullmatch(r"(\d+):(\d+)", pattern)
    return (int(found[1]), int(found[2])) if found else (0, 0)
