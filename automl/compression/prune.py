"""Structured pruning: the same family, narrower, its weights sliced across."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from automl.models.family import Group, Network, Slice
from automl.recipe import Context, Rejected, Step


@dataclass(frozen=True)
class Prune(Step):
    """Remove `fraction` of every width, the units of least weight norm first.

    Widths left are multiples of `multiple`, where runtimes are fast (heads need not be).
    """

    fraction: float
    multiple: int = 8

    def apply(self, model: Network, context: Context) -> Network:
        if not 0 < self.fraction < 1:
            raise Rejected(f"Prune: fraction {self.fraction} is not between 0 and 1")
        if model.spec.changes:
            raise Rejected("Prune: layers are quantized already; prune before Quantize")
        groups = model.spec.model.groups()
        if not groups:
            family = type(model.spec.model).__name__
            raise Rejected(f"Prune: this {family} has no width that can be cut exactly")
        state = dict(model.body.state_dict())
        kept = [self._kept(group, state) for group in groups]
        if all(len(units) == group.size for units, group in zip(kept, groups, strict=True)):
            raise Rejected(f"Prune removed nothing: no width is above {self.multiple}")
        return cut(model, groups, kept)

    def _kept(self, group: Group, state: dict[str, Tensor]) -> Tensor:
        width = kept_width(group.size, self.fraction, self.multiple if group.snap else 1)
        return strongest(magnitude(group, state), width)


def kept_width(width: int, fraction: float, multiple: int) -> int:
    """The width after the cut: rounded down to a multiple, at least one, never wider."""
    return min(width, multiple * max(1, int(width * (1 - fraction) / multiple)))


def magnitude(group: Group, state: dict[str, Tensor]) -> Tensor:
    """Per unit, the L2 norm of all weights that make it. https://arxiv.org/abs/1608.08710"""
    made = [(part.dim, state[part.name]) for part in group.produced]
    weights = [
        tensor.movedim(dim, 0).reshape(group.size, -1) for dim, tensor in made if tensor.dim() > 1
    ]
    norms: Tensor = torch.linalg.vector_norm(torch.cat(weights, dim=1), dim=1)
    return norms


def strongest(scores: Tensor, count: int) -> Tensor:
    """The units of the highest scores, in their old order."""
    return scores.topk(count).indices.sort().values


def cut(model: Network, groups: Sequence[Group], kept: Sequence[Tensor]) -> Network:
    """The model with only the kept units of each group, every other weight unchanged."""
    spec = model.spec
    widths = tuple(len(units) for units in kept)
    state = dict(model.body.state_dict())
    for group, units in zip(groups, kept, strict=True):
        for part in (*group.produced, *group.consumed):
            state[part.name] = _slice(state[part.name], part, units)
    smaller = Network(replace(spec, model=spec.model.with_widths(widths)))
    smaller.body.load_state_dict(state)
    return smaller


def _slice(tensor: Tensor, part: Slice, units: Tensor) -> Tensor:
    entries = units[:, None] * part.block + torch.arange(part.block, device=units.device)
    return tensor.index_select(part.dim, entries.flatten())
