"""Low rank: a layer becomes two or three ordinary layers that hold fewer numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor, nn

from automl.compression import low_rank
from automl.compression.calibration import reading_numbers, recalibrate, seen_rows
from automl.compression.changeable import Changeable, changeable, in_words
from automl.compression.factorized_layers import METHODS, max_rank, replaced, whole
from automl.compression.integer_kernels import computes_as_torch
from automl.compression.layer_sensitivity import (
    Candidate,
    measured_once,
    measuring_rows,
    refreshed,
    spread,
)
from automl.compression.output_moments import Moments, output_moments
from automl.compression.plain_weights import plain
from automl.compression.proof import PROOF_ROWS
from automl.compression.rounding_proof import unproven
from automl.config import decode
from automl.errors import Rejected, UserError, unknown
from automl.models.empty_networks import EMPTY
from automl.models.family import Network, count_parameters
from automl.models.layer_shapes import LayerShape, chain_shapes, is_in
from automl.models.plain_layers import KINDS, PlainLayer, as_plain
from automl.models.possible_network import PossibleNetwork
from automl.models.weights import Weight
from automl.recipe import Context, Step

EXPECTED_SHARE = 1 / 2
"""Of a network's products, after low ranks by their energy."""
LAYER_BYTES = 100  # Another layer takes 70 to 110 in a file, beside its weights.
SHARES = (3 / 4, 5 / 8, 1 / 2, 3 / 8, 1 / 4, 1 / 8, 1 / 16)
"""The shares of a layer's largest rank whose loss is measured."""


@dataclass(frozen=True)
class Factorize(Step):
    """Replace layers by products of smaller ones, each where that holds fewer numbers.

    `linear`, for linear layers and 1 × 1 convolutions: "pca" (by the outputs on training
    rows), "svd" (by the weights alone) or "none". `convolution`: "tucker" (1 × 1, core,
    1 × 1), "spatial" (k × 1, then 1 × k), or as for `linear` (k × k, then 1 × 1). Grouped
    convolutions stay, and so do the layers or modules that `keep` names.

    Each layer's rank keeps a share `energy` of its squares; or is the number `rank`, or the
    `share` of the layer's largest, where one of them is given. With `average_share` above 0
    the ranks are those that the measured sensitivity allows: of all weights of these layers
    that share stays at the most.
    """

    linear: str = "pca"
    convolution: str = "tucker"
    energy: float = 0.9
    rank: int = 0
    share: float = 0.0
    average_share: float = 0.0
    keep: tuple[str, ...] = ()
    remakes_layers: ClassVar[bool] = True

    def check(self, before: tuple[Step, ...]) -> None:
        if wrong := self._wrong():
            raise UserError(wrong)

    def apply(self, network: Network, context: Context) -> Network:
        if wrong := self._wrong():
            raise Rejected(wrong)
        network = plain(network.to(context.device).eval(), context)
        found = self._found(network, context)
        layers = {name: as_plain(one.module) for name, one in found.weights.items()}
        by_outputs = [name for name, layer in layers.items() if self._method(layer) == "pca"]
        moments = output_moments(network, layers, by_outputs, context)
        shares = dict.fromkeys(layers, self.share)
        if self.average_share:
            shares = self._spread(network, layers, moments, context)
        factors, larger = {}, {}
        for name, layer in layers.items():
            parts = self._factorised(name, layer, moments.get(name), shares[name])
            if count_parameters(parts) < count_parameters(layer):
                factors[name] = parts
            else:
                larger[name] = "would hold as many numbers or more at this rank"
        found = found.without(larger)
        if not factors:
            raise Rejected(f"Factorize could change nothing: {in_words(found.staying)}")
        changes = {name: f"{len(parts)} factors" for name, parts in factors.items()}
        context.outcomes[self.label] = found.outcomes(changes)
        return recalibrate(replaced(network, factors).to(context.device), context).eval()

    def suits(self, network: PossibleNetwork) -> bool:
        return any(
            not (one.built_with and one.input_shape)
            or 4 * (one.num_weights - sum(p.num_weights for p in self._least_of(one))) > LAYER_BYTES
            for one in network.shape.layers
        )

    def after(self, network: PossibleNetwork) -> list[PossibleNetwork]:
        if not all(layer.built_with for layer in network.shape.layers):
            return []
        layers = [part for layer in network.shape.layers for part in self._least_of(layer)]
        after = network.with_layers(layers)
        if network.shape.is_partly_zeros:
            after = after.with_any_zeros()
        if self.knows_ranks:
            return [after]
        share = self.average_share or EXPECTED_SHARE
        return [replace(after, expected_macs=network.expected_macs * share)]

    def _least_of(self, layer: LayerShape) -> tuple[LayerShape, ...]:
        """The factors of a layer at the least ranks; where ranks depend on weights, a layer of
        as many numbers and products; the layer itself where it stays."""
        if layer.bits < 32 or is_in(layer.name, self.keep) or not layer.input_shape:
            return (layer,)
        step, text = self.at_least_ranks(), layer.built_with
        parts = _factor_shapes(step, layer.name, text, layer.input_shape)
        if not parts:
            return (layer,)
        if self.knows_ranks:
            last = replace(parts[-1], has_bias=parts[-1].has_bias or layer.has_bias)
            used = layer.is_surely_used
            return tuple(replace(part, is_surely_used=used) for part in (*parts[:-1], last))
        size = sum(part.num_weights for part in parts)
        macs = min(layer.macs, sum(part.macs for part in parts))
        least = replace(layer, built_with="", weight_shape=(size,), least_nonzero=size, macs=macs)
        return (least,)

    @property
    def knows_ranks(self) -> bool:
        """Tell if ranks do not depend on the weights."""
        return bool(self.rank or self.share)

    def at_least_ranks(self) -> Factorize:
        """The step that gives each layer, none kept, the least rank that this one may give."""
        rank, share = self.rank, self.share
        if self.average_share:
            share = SHARES[-1]
        elif not self.knows_ranks:
            rank = 1
        return Factorize(self.linear, self.convolution, rank=rank, share=share)

    def without_weights(self, name: str, layer: PlainLayer) -> nn.Sequential | None:
        """The factors of an empty layer, its rank being known; None where the layer stays."""
        if not self._applies(layer):
            return None
        empty = layer.weight.new_empty(len(layer.weight))
        parts = self._factorised(name, layer, Moments(empty, empty.outer(empty)), self.share)
        return parts if count_parameters(parts) < count_parameters(layer) else None

    def _applies(self, layer: PlainLayer) -> bool:
        return self._method(layer) != "none" and getattr(layer, "groups", 1) == 1

    def _found(self, network: Network, context: Context) -> Changeable:
        """The layers that the step applies to, each of its own name and called as torch's own are.
        Raises Rejected where there is none."""
        called = reading_numbers(network, context)

        def reason(weight: Weight) -> str:
            layer = weight.module
            if not weight.is_of_layer or not isinstance(layer, KINDS):
                return "is of no kind of layer that becomes factors"
            if weight.layer not in called:
                return "is never called as a layer"
            if weight.is_tied:
                return "shares its weights with another layer"
            if not computes_as_torch(layer):
                return f"is computed in its own way by {type(layer).__name__}"
            if getattr(layer, "groups", 1) > 1:
                return "is a grouped convolution"
            return "" if self._applies(layer) else "is left out by the methods chosen"

        found = changeable(network, context, "Factorize", self.keep, reason)
        refused = _unproven(network, list(found.weights), context)
        if len(refused) == len(found.weights):
            raise Rejected(f"Factorize could change nothing: {in_words(refused)}")
        return found.without(refused)

    def _method(self, layer: PlainLayer) -> str:
        return self.linear if _is_pointwise(layer) else self.convolution

    def _factorised(
        self, name: str, layer: PlainLayer, moments: Moments | None, share: float
    ) -> nn.Sequential:
        """A layer's factors, at this share of its largest rank if it is above 0."""
        method = self._method(layer)
        most = max_rank(layer, method)
        if self.rank > most:
            raise Rejected(
                f"Factorize: rank {self.rank} is above {most}, the largest of layer {name!r}; "
                f"give at most {most}, or leave the layer out with keep=({name!r},)"
            )

        def choose(energies: Tensor) -> int:
            if self.rank:
                return min(self.rank, len(energies))
            if share:
                return max(1, round(share * min(most, len(energies))))
            return low_rank.rank_of_energy(energies, self.energy)

        return METHODS[method](layer, moments, choose)

    def _spread(
        self,
        network: Network,
        layers: Mapping[str, PlainLayer],
        moments: dict[str, Moments],
        context: Context,
    ) -> dict[str, float]:
        """The share of its largest rank that each layer keeps, by measured sensitivity."""
        fresh = refreshed(network, context)
        candidates = self._each_factorised(fresh, layers, moments, context)
        settings = {"linear": self.linear, "convolution": self.convolution, "keep": self.keep}
        options = measured_once(self, "ranks", fresh, candidates, context, **settings)
        size = sum(map(count_parameters, layers.values()))
        chosen = spread(options, self.average_share * size)
        if (kept := sum(option.size for option in chosen.values())) > self.average_share * size:
            least = math.ceil(1000 * kept / size) / 1000
            raise Rejected(
                f"Factorize: the lowest ranks measured keep {least} of the weights; give at "
                f"least that as average_share, not {self.average_share}"
            )
        shares = {name: option.value for name, option in chosen.items()}
        listed = ", ".join(f"{name} {share}" for name, share in shares.items())
        context.notes.append(f"shares of the largest rank by layer: {listed}")
        return shares

    def _each_factorised(
        self,
        network: Network,
        layers: Mapping[str, PlainLayer],
        moments: dict[str, Moments],
        context: Context,
    ) -> Iterator[Candidate]:
        """Every layer whole, and alone at each of SHARES that makes it smaller."""
        for name, layer in layers.items():
            least = count_parameters(layer)
            yield name, 1.0, least, network
            for share in SHARES:
                parts = self._factorised(name, layer, moments.get(name), share)
                if (size := count_parameters(parts)) < least:
                    least = size
                    alone = replaced(network, {name: parts}).to(context.device)
                    yield name, share, size, recalibrate(alone, context, measuring_rows(network))

    def _wrong(self) -> str:
        """The setting that suits no network, in a sentence; "" where there is none."""
        for name, known in (("linear", ["pca", "svd"]), ("convolution", list(METHODS))):
            if (method := getattr(self, name)) not in (*known, "none"):
                return f"Factorize: {unknown(name, method, [*known, 'none'])}"
        by = {name: getattr(self, name) for name in ("rank", "share", "average_share")}
        if len(given := [f"{name} {value}" for name, value in by.items() if value]) > 1:
            return f"Factorize: {' and '.join(given)} are both given; give one"
        if not (0 < self.energy <= 1 and 0 <= self.share <= 1 and 0 <= self.average_share <= 1):
            return (
                f"Factorize: energy {self.energy}, share {self.share} or average_share "
                f"{self.average_share} is not between 0 and 1"
            )
        if self.rank < 0:
            return f"Factorize: rank {self.rank} is below 1; leave it out to go by the energy"
        return ""


def _unproven(network: Network, names: Sequence[str], context: Context) -> dict[str, str]:
    """The layers that do not compute what they did by factors of full rank, with reasons."""

    def factorised(factors: Mapping[str, nn.Sequential]) -> Network:
        return replaced(network, factors).to(context.device).eval()

    full = {name: whole(as_plain(network.body.get_submodule(name))) for name in names}
    rows = seen_rows(network, context, PROOF_ROWS)
    return unproven(network, factorised(full), full, factorised, rows)


@lru_cache(maxsize=4096)
def _factor_shapes(
    step: Factorize, name: str, built_with: str, input_shape: tuple[int, ...]
) -> tuple[LayerShape, ...]:
    """The factors of a layer of known rank, if it is replaced. Raises Rejected as the step does."""
    with torch.device(EMPTY):
        chain = step.without_weights(name, decode(json.loads(built_with)).build())
        return chain_shapes(name, chain, input_shape) if chain is not None else ()


def _is_pointwise(layer: PlainLayer) -> bool:
    return isinstance(layer, nn.Linear) or math.prod(layer.kernel_size) == 1
