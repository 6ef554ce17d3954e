"""Low rank: a layer becomes two or three ordinary layers that hold fewer numbers.

The maths and the papers are in `low_rank.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from automl.compression import low_rank
from automl.compression.calibration import STATISTICS_ROWS, calibration_rows, recalibrate
from automl.compression.low_rank import Choose
from automl.compression.plain import Plain, described, plain_layers, refuse
from automl.config import UserError
from automl.models.deployed import predict, seen_by
from automl.models.family import Change, Network, change, copy_weights, count_parameters
from automl.recipe import Context, Rejected, Step
from automl.space import unknown


@dataclass(frozen=True)
class Factorize(Step):
    """Replace layers by products of smaller ones, each where that holds fewer numbers.

    `linear`, for linear layers and 1 × 1 convolutions: "pca" (by the outputs on training
    rows), "svd" (by the weights alone) or "none". `convolution`: "tucker" (1 × 1, core,
    1 × 1), "spatial" (k × 1, then 1 × k), or as for `linear` (k × k, then 1 × 1). Grouped
    convolutions stay, and so do the layers or modules that `keep` names.

    Each layer's rank keeps a share `energy` of its squares; or is the number `rank`, or the
    `share` of the layer's largest, where one of them is given.
    """

    linear: str = "pca"
    convolution: str = "tucker"
    energy: float = 0.9
    rank: int = 0
    share: float = 0.0
    keep: tuple[str, ...] = ()
    remakes_layers: ClassVar[bool] = True

    def check(self, before: tuple[Step, ...]) -> None:
        if wrong := self._wrong():
            raise UserError(wrong)

    def apply(self, model: Network, context: Context) -> Network:
        if wrong := self._wrong():
            raise Rejected(wrong)
        layers = self._layers(model)
        by_outputs = [name for name, layer in layers.items() if self._method(layer) == "pca"]
        moments = observed(model.to(context.device), layers, by_outputs, context)
        factors, larger = {}, []
        for name, layer in layers.items():
            factorise, choose = METHODS[self._method(layer)], self._choose(name, layer)
            parts = factorise(layer, moments.get(name), choose)
            if count_parameters(parts) < count_parameters(layer):
                factors[name] = parts
            else:
                larger.append(name)
        if not factors:
            raise Rejected(
                "Factorize changed nothing: at this rank the factors would hold as many numbers "
                f"as the layer or more ({', '.join(larger)})"
            )
        smaller = replaced(model, factors).to(context.device)
        return recalibrate(smaller, context).eval()

    def _layers(self, model: Network) -> dict[str, Any]:
        found = {
            name: layer
            for name, layer in plain_layers(model, "Factorize", self.keep).items()
            if self._method(layer) != "none" and getattr(layer, "groups", 1) == 1
        }
        if not found:
            raise Rejected("Factorize changed nothing: the model has no layer that it applies to")
        return found

    def _method(self, layer: nn.Module) -> str:
        return self.linear if _is_pointwise(layer) else self.convolution

    def _choose(self, name: str, layer: Any) -> Choose:
        """How many directions of this layer are kept."""
        most = max_rank(layer, self._method(layer))
        if self.rank > most:
            raise Rejected(
                f"Factorize: rank {self.rank} is above {most}, the largest of layer {name!r}; "
                f"give at most {most}, or leave the layer out with keep=({name!r},)"
            )

        def choose(energies: Tensor) -> int:
            if self.rank:
                return min(self.rank, len(energies))
            if self.share:
                return max(1, round(self.share * min(most, len(energies))))
            return low_rank.rank_of_energy(energies, self.energy)

        return choose

    def _wrong(self) -> str:
        """What no model could make right, or nothing."""
        for name, known in (("linear", ["pca", "svd"]), ("convolution", list(METHODS))):
            if (method := getattr(self, name)) not in (*known, "none"):
                return f"Factorize: {unknown(name, method, [*known, 'none'])}"
        if self.rank and self.share:
            return f"Factorize: rank {self.rank} and share {self.share} are both given; give one"
        if not (0 < self.energy <= 1 and 0 <= self.share <= 1):
            return f"Factorize: energy {self.energy} or share {self.share} is not between 0 and 1"
        if self.rank < 0:
            return f"Factorize: rank {self.rank} is below 1; leave it out to go by the energy"
        return ""


@dataclass(frozen=True)
class Factored(Change):
    """A layer that is a chain of ordinary layers."""

    factors: tuple[Plain, ...]

    def rebuild(self, layer: nn.Module) -> nn.Module:
        return nn.Sequential(*(factor.build() for factor in self.factors))


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of a layer's outputs, per feature or channel."""

    mean: Tensor
    covariance: Tensor


def observed(
    model: Network, layers: dict[str, Any], by_outputs: Collection[str], context: Context
) -> dict[str, Moments]:
    """What the layers `by_outputs` give on training rows.

    Raises Rejected at any layer that is never called: its weight is read in some other way.
    """
    called: set[str] = set()
    sums: dict[str, list[Tensor]] = {}

    def observe(name: str) -> Any:
        def hook(layer: nn.Module, inputs: Any, outputs: Tensor) -> None:
            called.add(name)
            if name not in by_outputs:
                return
            features = outputs if isinstance(layer, nn.Linear) else outputs.movedim(1, -1)
            flat = features.flatten(0, -2).double()
            found = [torch.tensor(len(flat)), flat.sum(0), flat.T @ flat]
            sums[name] = [a + b for a, b in zip(sums[name], found)] if name in sums else found

        return hook

    hooks = [layer.register_forward_hook(observe(name)) for name, layer in layers.items()]
    rows = calibration_rows(context.data, STATISTICS_ROWS).inputs
    predict(model, seen_by(model, rows, context.data.about))
    for handle in hooks:
        handle.remove()
    for name in layers:
        if name not in called:
            refuse("Factorize", name, "is never called as a layer")
    return {name: _moments(*parts) for name, parts in sums.items()}


def replaced(model: Network, factors: dict[str, nn.Sequential]) -> Network:
    """The network with these layers replaced, weights and all."""
    changes = {name: Factored(tuple(map(described, parts))) for name, parts in factors.items()}
    network = change(model, changes)
    copy_weights(model, network)
    for name, parts in factors.items():
        network.body.get_submodule(name).load_state_dict(parts.state_dict())
    return network


def max_rank(layer: Any, method: str) -> int:
    """The rank at which the factors can be the layer itself."""
    outputs, inputs, *sides = layer.weight.shape
    if method == "tucker":
        return int(max(outputs, inputs))
    if method == "spatial":
        high, wide = (*sides, 1)[:2]
        return int(min(inputs * high, outputs * wide))
    return int(min(outputs, inputs * math.prod(sides)))


def svd(layer: Any, moments: Moments | None, choose: Choose) -> nn.Sequential:
    first, last = low_rank.svd(layer.weight.detach().flatten(1), choose)
    return _pair(layer, first, last, layer.bias)


def pca(layer: Any, moments: Moments | None, choose: Choose) -> nn.Sequential:
    assert moments is not None
    weight = layer.weight.detach().flatten(1)
    bias = torch.zeros_like(weight[:, 0]) if layer.bias is None else layer.bias.detach()
    spectrum = (moments.mean, moments.covariance)
    first, last, bias = low_rank.pca(weight, bias, *spectrum, choose)
    return _pair(layer, first, last, bias)


def spatial(layer: Any, moments: Moments | None, choose: Choose) -> nn.Sequential:
    """Of a series there is one side alone: k, then 1."""
    weight = layer.weight.detach()
    first, last = low_rank.spatial(weight[..., None] if weight.dim() == 3 else weight, choose)
    if weight.dim() == 3:
        first, last = first[..., 0], last[..., 0]
    down = _convolution(layer, first, None, **_along(layer, 0))
    return nn.Sequential(down, _convolution(layer, last, layer.bias, **_along(layer, 1)))


def tucker(layer: Any, moments: Moments | None, choose: Choose) -> nn.Sequential:
    first, core, last = low_rank.tucker(layer.weight.detach(), choose)
    return nn.Sequential(
        _convolution(layer, _pointwise(layer, first), None),
        _convolution(layer, core, None, **_along(layer, 0, 1)),
        _convolution(layer, _pointwise(layer, last), layer.bias),
    )


METHODS: dict[str, Callable[[Any, Moments | None, Choose], nn.Sequential]] = {
    "pca": pca,
    "svd": svd,
    "spatial": spatial,
    "tucker": tucker,
}


def _pair(layer: Any, first: Tensor, last: Tensor, bias: Tensor | None) -> nn.Sequential:
    """Two linear maps; of a convolution, one with its kernel and one from point to point."""
    if isinstance(layer, nn.Linear):
        down = nn.Linear(first.shape[1], len(first), bias=False)
        up = nn.Linear(last.shape[1], len(last), bias=bias is not None)
        return nn.Sequential(_filled(down, first, None), _filled(up, last, bias))
    kernels = first.reshape(-1, *layer.weight.shape[1:])
    return nn.Sequential(
        _convolution(layer, kernels, None, **_along(layer, 0, 1)),
        _convolution(layer, _pointwise(layer, last), bias),
    )


def _convolution(layer: Any, weight: Tensor, bias: Tensor | None, **settings: Any) -> nn.Module:
    """A convolution with these weights, padding in the way of `layer`."""
    outputs, inputs, *sides = weight.shape
    made = type(layer)(inputs, outputs, tuple(sides), bias=bias is not None, **settings)
    return _filled(made, weight, bias)


def _along(layer: Any, *sides: int) -> dict[str, Any]:
    """A convolution's settings on these of its sides, and none on the others."""

    def own(values: tuple[int, ...], neutral: int) -> tuple[int, ...]:
        return tuple(v if i in sides else neutral for i, v in enumerate(values))

    padding = layer.padding if isinstance(layer.padding, str) else own(layer.padding, 0)
    return {
        "stride": own(layer.stride, 1),
        "padding": padding,
        "dilation": own(layer.dilation, 1),
        "padding_mode": layer.padding_mode,
    }


def _filled(layer: Any, weight: Tensor, bias: Tensor | None) -> nn.Module:
    layer.weight.data = weight.contiguous()
    if bias is not None:
        layer.bias.data = bias.detach()
    filled: nn.Module = layer
    return filled


def _pointwise(layer: Any, matrix: Tensor) -> Tensor:
    """A matrix as the weight of a 1 × 1 convolution."""
    return matrix.reshape(*matrix.shape, *[1] * (layer.weight.dim() - 2))


def _is_pointwise(layer: Any) -> bool:
    return isinstance(layer, nn.Linear) or math.prod(layer.kernel_size) == 1


def _moments(count: Tensor, total: Tensor, squares: Tensor) -> Moments:
    mean = total / count
    return Moments(mean, squares / count - mean[:, None] * mean)
