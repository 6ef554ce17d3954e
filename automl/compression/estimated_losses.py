"""Losses of changes of weights, all from the same few backward passes.

To first order of what follows a layer, a change of its weights moves the answers by their
derivative times the change. Of a random sum of answers that is one product with a gradient, and
its square, averaged over such sums, is the squared change of the answers. Of the losses at 8 to
1 bits of five trained models of digits it gives the order, with a rank correlation above 0.98.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

import torch
from torch import Tensor

from automl.compression.calibration import interleaved, seen_rows
from automl.models.deployed import predict
from automl.models.family import Network
from automl.recipe import Context, LayerOption

Change: TypeAlias = tuple[str, float, float, Mapping[str, Tensor]]
"""A layer, a value and its size, and the body's tensors, by name, that the layer then has."""

ROWS = 256
ROWS_AT_ONCE = 4
"""Answers of all of them are summed up: fewer rows are more sums, and a closer estimate."""

SUMS = 2
"""Random sums of the answers of the same rows."""

MEASURED_ROWS = 64


def estimated(
    network: Network, changes: Iterable[Change], context: Context
) -> dict[str, list[LayerOption]]:
    """The loss of each change against the network, on training rows.

    Where no gradient arrives, at a layer before a rounding for example, it is measured. The
    changes are in memory together, as large as their tensors.
    """
    network = network.to(context.device).eval()
    rows = seen_rows(network, context)
    rows = interleaved(rows, ROWS)[0]
    given: dict[str, list[Change]] = {}
    for change in changes:
        given.setdefault(change[0], []).append(change)
    moves = {layer: _moves(network, own) for layer, own in given.items()}
    moved, variance = _squares(network, moves, rows)
    options = {}
    for layer, own in given.items():
        losses = moved[layer]
        if not losses.any():
            losses = torch.stack([_measured(network, change[3], rows) for change in own])
        relative = (losses / variance).tolist()
        options[layer] = [
            LayerOption(value, size, loss)
            for (_, value, size, _), loss in zip(own, relative, strict=True)
        ]
    return options


_Moves: TypeAlias = dict[str, Tensor]
"""By how much each of some changes moves a tensor, (changes, numbers), by the tensor's name."""


def _moves(network: Network, changes: list[Change]) -> _Moves:
    return {
        name: torch.stack([change[3][name].flatten() for change in changes]).sub_(
            network.body.get_parameter(name).detach().flatten()
        )
        for name in changes[0][3]
    }


def _squares(
    network: Network, moves: Mapping[str, _Moves], rows: Tensor
) -> tuple[dict[str, Tensor], Tensor]:
    """Mean squares (changes,) of what each layer's changes move the answers by, and the answers'
    variance ()."""
    names = list(dict.fromkeys(name for own in moves.values() for name in own))
    tensors = [network.body.get_parameter(name) for name in names]
    random = torch.Generator().manual_seed(0)
    squares = {layer: torch.zeros(len(next(iter(own.values())))) for layer, own in moves.items()}
    seen = []
    with _learning(tensors), torch.backends.cudnn.flags(enabled=False):
        for batch in interleaved(rows, ROWS_AT_ONCE):
            answers = network(batch)
            seen.append(answers.detach())
            for _ in range(SUMS if answers.requires_grad else 0):
                signs = torch.randint(0, 2, answers.shape, generator=random) * 2.0 - 1.0
                found = torch.autograd.grad(
                    *(answers, tensors, signs.to(answers)), retain_graph=True, allow_unused=True
                )
                gradients = dict(zip(names, found, strict=True))
                for layer, own in moves.items():
                    squares[layer] += _product(own, gradients).cpu() ** 2
    whole = torch.cat(seen)
    means = {layer: own / (SUMS * whole.numel()) for layer, own in squares.items()}
    return means, whole.var(0).mean().clamp_min(1e-12).cpu()


def _product(moves: _Moves, gradients: Mapping[str, Tensor | None]) -> Tensor:
    """The products (changes,) of some moves with the gradients of their tensors."""
    total = torch.zeros(len(next(iter(moves.values()))))
    for name, own in moves.items():
        if (gradient := gradients[name]) is not None:
            total = total.to(own) + own @ gradient.flatten()
    return total


def _measured(network: Network, tensors: Mapping[str, Tensor], rows: Tensor) -> Tensor:
    """The mean square () by which these tensors of the body move the answers."""
    few = interleaved(rows, MEASURED_ROWS)[0]
    whole, kept = predict(network, few), {}
    with torch.no_grad():
        for name, values in tensors.items():
            own = network.body.get_parameter(name)
            kept[name] = own.clone()
            own.copy_(values)
        moved = predict(network, few)
        for name, values in kept.items():
            network.body.get_parameter(name).copy_(values)
    return ((moved - whole) ** 2).mean().cpu()


@contextmanager
def _learning(tensors: list[torch.nn.Parameter]) -> Iterator[None]:
    """Have tensors take gradients for a while, those that are frozen too."""
    before = [tensor.requires_grad for tensor in tensors]
    try:
        for tensor in tensors:
            tensor.requires_grad_(True)
        with torch.enable_grad():
            yield
    finally:
        for tensor, learns in zip(tensors, before, strict=True):
            tensor.requires_grad_(learns)
