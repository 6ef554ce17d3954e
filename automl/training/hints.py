"""Hint layers: hidden layers of a model that learn to be like those of its teacher.

https://arxiv.org/abs/1412.6550
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from automl.models.family import Network, Spec
from automl.models.watching import watching
from automl.models.weights import CONVOLUTIONS, TRANSPOSED

LEAST_SIZE = 1e-12
"""Squares below which hidden values count as 0."""


def two_rows(spec: Spec) -> Tensor:
    return torch.zeros(2, *spec.input_shape, dtype=torch.int64 if spec.num_tokens else None)


@dataclass(frozen=True)
class HintPair:
    """A hidden layer that a model and its teacher share by name.

    `own` and `theirs` count the channels that it gives in each, along the dimension `dim`.
    """

    name: str
    own: int
    theirs: int
    dim: int


class Apprentice(nn.Module):
    """A model and its teacher, which answer the same rows."""

    def __init__(self, model: Network, teacher: Network, pairs: Sequence[HintPair]) -> None:
        super().__init__()
        self.model, self.teacher, self.pairs = model, teacher, pairs
        self.regressors = nn.ModuleList(nn.Linear(pair.own, pair.theirs) for pair in pairs)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both answers (rows, outputs), and the relative distance of hidden layers (rows,)."""
        names = [pair.name for pair in self.pairs]
        answers, own = _watched(self.model, names, inputs)
        teachers, theirs = _watched(self.teacher, names, inputs)
        apart = answers.new_zeros(len(answers))
        for pair, regressor in zip(self.pairs, self.regressors):
            hint = theirs[pair.name].detach().movedim(pair.dim, -1)
            mapped = regressor(own[pair.name].movedim(pair.dim, -1))
            apart = apart + relative_distance(mapped, hint) / len(self.pairs)
        return answers, teachers, apart


def relative_distance(own: Tensor, hint: Tensor) -> Tensor:
    """The squared distance of hidden values from a hint, both (rows, ..., channels), in shares of
    the squares of both, which count as fixed: (rows,), from 0 to 2.

    So a hint weighs the same whatever the size of its numbers.
    """
    error, sizes = (own - hint) ** 2, own.detach() ** 2 + hint.detach() ** 2
    return error.flatten(1).mean(1) / (sizes.flatten(1).mean(1) + LEAST_SIZE)


def hint_pairs(model: Network, teacher: Network) -> list[HintPair]:
    """The children of both bodies that have the same name, and but for channels the same shape.

    The teacher's last child gives the answers, and is in no pair.
    """
    dims = {name: dim for name, child in teacher.body.named_children() if (dim := _dim(child))}
    names = [name for name in list(dims)[:-1] if name in dict(model.body.named_children())]
    rows, found = two_rows(model.spec), []
    with torch.no_grad():
        own, theirs = (_watched(network.eval(), names, rows)[1] for network in (model, teacher))
    for name in names:
        if not all(isinstance(seen.get(name), Tensor) for seen in (own, theirs)):
            continue
        mine, hint = (seen[name].movedim(dims[name], -1).shape for seen in (own, theirs))
        if mine[:-1] == hint[:-1]:
            found.append(HintPair(name, mine[-1], hint[-1], dims[name]))
    return found


def _dim(layer: nn.Module) -> int:
    """The dimension of the channels in a layer's outputs.

    It is the last after a linear layer, the second after a convolution; 0 where there is neither.
    """
    made = [m for m in layer.modules() if isinstance(m, (nn.Linear, *CONVOLUTIONS, *TRANSPOSED))]
    if not made:
        return 0
    return -1 if isinstance(made[-1], nn.Linear) else 1


def _watched(
    model: Network, names: Sequence[str], inputs: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """A model's answers (rows, outputs), and what its layers of these names give for the rows."""
    seen: dict[str, Tensor] = {}

    def note(name: str, layer: nn.Module, read: object, gave: Tensor) -> None:
        seen[name] = gave.chunk(2)[0] if model.asks_twice else gave

    with watching({name: model.body.get_submodule(name) for name in names}, note):
        answers: Tensor = model(inputs)
    return answers, seen
