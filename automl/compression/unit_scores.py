"""Scores of the units of a width by how much they matter, one function per kind of score.

magnitude: https://arxiv.org/abs/1608.08710, batch_norm: https://arxiv.org/abs/1708.06519,
taylor: https://arxiv.org/abs/1906.10771
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from automl.compression.calibration import calibration_rows, interleaved
from automl.errors import Rejected
from automl.models.deployed import seen_by, standardised
from automl.models.family import Group, Network, Slice
from automl.models.out_of_memory import fewer_rows
from automl.models.plain_layers import BATCH_NORMS
from automl.recipe import Context
from automl.training.batches import epoch_seed
from automl.training.losses import usual

Score: TypeAlias = Callable[[Network, Sequence[Group], Context, str], list[Tensor]]
BATCH = 64


def magnitude(group: Group, state: dict[str, Tensor]) -> Tensor:
    """Scores (units,): the L2 norm of all weights that make a unit."""
    made = [(part, state[part.name]) for part in group.produced]
    matrices = [pair for pair in made if pair[1].dim() > 1] or made
    weights = [_of_units(tensor, part, group.size) for part, tensor in matrices]
    norms: Tensor = torch.linalg.vector_norm(torch.cat(weights, dim=1), dim=1)
    return norms


def batch_norm(group: Group, network: Network) -> Tensor:
    """Scores (units,): the mean size of the scales that batch norms give a unit. Raises Rejected
    where there are none."""
    state, scales = network.body.state_dict(), []
    for part in group.produced:
        layer, _, tensor = part.name.rpartition(".")
        if tensor == "weight" and isinstance(network.body.get_submodule(layer), BATCH_NORMS):
            scales.append(_of_units(state[part.name], part, group.size).abs())
    if not scales:
        raise Rejected(
            f"Prune: no batch norm scales the units of {group.makers[0]!r}; "
            "choose another score than batch_norm, e.g. magnitude"
        )
    return torch.cat(scales, dim=1).mean(1)


def taylor(network: Network, groups: Sequence[Group], context: Context) -> list[Tensor]:
    """Scores (units,) for each group: to first order the change of the loss of a calibration
    batch without a unit."""
    info, split = context.data.info, calibration_rows(context.data)
    inputs = seen_by(network, split.inputs, info).to(context.device)
    targets = standardised(torch.from_numpy(split.targets), info, network.spec.model).to(
        context.device
    )
    loss = usual(info).build(info, context.device)
    probe = copy.deepcopy(network).to(context.device).requires_grad_(True).eval()
    parameters = dict(probe.body.named_parameters())

    def scores(size: int) -> list[Tensor]:
        totals = [torch.zeros(group.size, device=context.device) for group in groups]
        batches = (interleaved(rows, size) for rows in (inputs, targets))
        for batch, wanted in zip(*batches, strict=True):
            probe.zero_grad(set_to_none=True)
            loss(probe(batch), wanted, None).backward()  # type: ignore[no-untyped-call]
            for total, group in zip(totals, groups, strict=True):
                total += _first_order(group, parameters)
        return totals

    return fewer_rows(scores, BATCH)[0]


def random(groups: Sequence[Group], seed: int) -> list[Tensor]:
    """Scores (units,) for each group: the same numbers for the same seed, a control."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(group.size, generator=generator) for group in groups]


SCORES: dict[str, Score] = {
    "magnitude": lambda network, groups, context, label: [
        magnitude(group, network.body.state_dict()) for group in groups
    ],
    "batch_norm": lambda network, groups, context, label: [
        batch_norm(group, network) for group in groups
    ],
    "taylor": lambda network, groups, context, label: taylor(network, groups, context),
    "random": lambda network, groups, context, label: random(
        groups, epoch_seed(context.seed, label)
    ),
}
"""Functions of a network, the groups to score, the context and the step's label."""


def _first_order(group: Group, parameters: dict[str, torch.nn.Parameter]) -> Tensor:
    changes = [torch.zeros(group.size, 1, device=next(iter(parameters.values())).device)]
    for part in group.produced:
        weight = parameters.get(part.name)
        if weight is not None and weight.grad is not None:
            changes.append(_of_units(weight.detach() * weight.grad, part, group.size))
    return torch.cat(changes, dim=1).sum(1).abs()


def _of_units(tensor: Tensor, part: Slice, size: int) -> Tensor:
    """A row per unit: all entries of a tensor that belong to it."""
    entries = part.entries(torch.arange(size)).flatten().to(tensor.device)
    return tensor.index_select(part.dim, entries).movedim(part.dim, 0).reshape(size, -1)
