"""The widths of a network that a step may cut: a family's own, or a module's that were proven."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from automl.compression.calibration import calibration_rows, recalibrate
from automl.compression.cut_units import checked_cut, cut
from automl.compression.traced_widths import TracedGroup, traced_widths
from automl.models.deployed import seen_by
from automl.models.family import Group, Network
from automl.models.imported import Imported
from automl.models.weights import weights
from automl.recipe import STATISTICS_ROWS, Context, LayerOutcome

PROOF_ROWS = 64
TRIED_ROWS = 7
"""Rows that are followed, and of the first proof; the cut that is made is proven on more. A prime,
so that a number of rows is hardly taken for one of units."""


@dataclass(frozen=True)
class Widths:
    """The widths that can be cut, in the order of the layers.

    `reasons` tells of tensors by name why they stay, `sentences` of whole widths.
    """

    groups: Sequence[Group]
    reasons: dict[str, str] = field(default_factory=dict)
    sentences: list[str] = field(default_factory=list)

    @property
    def causes(self) -> str:
        """The first reasons for which widths stay, each after a semicolon; "" of none."""
        more = [f"and {len(self.sentences) - 3} more"] if len(self.sentences) > 3 else []
        return "".join(f"; {sentence}" for sentence in (*self.sentences[:3], *more))

    def refuse(self, group: Group, reason: str) -> None:
        for part in group.produced:
            self.reasons[part.name] = reason
        sentence = f"{group.makers[0]!r} stays as wide as it is: {reason}"
        if sentence not in self.sentences:
            self.sentences.append(sentence)


def widths_of(network: Network, rows: Tensor) -> Widths:
    """The widths of a network that `rows` (rows, *input shape) show. Raises Rejected where a
    user's module cannot be followed."""
    if not isinstance(network.spec.model, Imported):
        return Widths(network.spec.model.groups())
    rows = rows[:TRIED_ROWS]
    traced = traced_widths(network, rows)
    refused: list[tuple[TracedGroup, str]] = []
    proven = _proven(network, traced.groups, rows, refused)
    # What only goes by halves of its rows the other way round is found the other way round.
    others = traced_widths(network, rows, outer=False).groups
    known = [group for group, _ in refused]
    fresh = [group for group in others if group not in known and not _overlap(group, proven)]
    ignored: list[tuple[TracedGroup, str]] = []
    proven += _proven(network, fresh, rows, ignored)
    order = list(network.body.state_dict())
    proven.sort(key=lambda group: order.index(group.produced[0].name))
    widths = Widths(proven, traced.reasons, traced.sentences)
    for group, reason in refused + (ignored if not traced.groups else []):
        if not _overlap(group, proven):
            widths.refuse(group, reason)
    return widths


def proven_cut(network: Network, widths: Widths, kept: Sequence[Tensor], rows: Tensor) -> Network:
    """The network with only the kept units of each width, as far as `rows` (rows, *input shape)
    prove the cut. A width of which they do not is whole, and refused in `widths`."""
    smaller, _ = checked_cut(network, widths.groups, kept, rows)
    if smaller is not None:
        return smaller
    smaller, groups, units = cut(network, [], []), list[Group](), list[Tensor]()
    for group, own in zip(widths.groups, kept, strict=True):
        if len(own) == group.size:
            continue
        more, reason = checked_cut(network, [*groups, group], [*units, own], rows)
        if more is None:
            widths.refuse(group, reason)
        else:
            smaller, groups, units = more, [*groups, group], [*units, own]
    return smaller


def narrowed(
    network: Network,
    widths: Widths,
    kept: Sequence[Tensor],
    context: Context,
    count: int = STATISTICS_ROWS,
) -> Network:
    """The network with only the kept units, given as numbers (units,) for each width; its batch
    norms are up to date with `count` rows."""
    if isinstance(network.spec.model, Imported):
        smaller = proven_cut(network, widths, kept, proof_rows(network, context))
    else:
        smaller = cut(network, widths.groups, kept)
    return recalibrate(smaller, context, count)


def proof_rows(network: Network, context: Context) -> Tensor:
    """Some calibration rows, as the network sees them."""
    rows = calibration_rows(context.data, PROOF_ROWS)
    return seen_by(network, rows.inputs, context.data.info)


def outcomes(before: Network, after: Network, widths: Widths) -> tuple[LayerOutcome, ...]:
    """What a cut made of each tensor of weights, or why it stays."""
    made = {(part.name, part.dim) for group in widths.groups for part in group.produced}
    found, state = [], after.body.state_dict()
    for weight in weights(before.body):
        name, tensor = weight.name, weight.values
        if name in state:
            changes = [
                f"{old} -> {new} units{' made' if (name, dim) in made else ' read'}"
                for dim, (old, new) in enumerate(zip(tensor.shape, state[name].shape, strict=True))
                if old != new
            ]
            stays = widths.reasons.get(name, "no width that can be cut runs through it")
            reason = "" if changes else stays
            found.append(LayerOutcome(name, tensor.numel(), ", ".join(changes), reason))
    return tuple(found)


def _proven(
    network: Network,
    groups: Sequence[TracedGroup],
    rows: Tensor,
    refused: list[tuple[TracedGroup, str]],
) -> list[TracedGroup]:
    """The groups that can be cut, together or each alone; the others are added to `refused`."""
    reason = ""
    if not groups:
        return []
    for variant in ([*groups], [group.guessed() for group in groups]):
        smaller, reason = checked_cut(network, variant, list(map(_half, variant)), rows)
        if smaller is not None:
            return variant
        if not any(group.guesses for group in groups):
            break
    if len(groups) == 1:
        refused.append((groups[0], reason))
        return []
    found = []
    for part in _parts(groups):
        found += _proven(network, part, rows, refused)
    return found


def _parts(groups: Sequence[TracedGroup]) -> list[Sequence[TracedGroup]]:
    """Groups alike but for the numbers in their names; where all are, halves."""
    alike: dict[str, list[TracedGroup]] = {}
    for group in groups:
        alike.setdefault(re.sub(r"\d+", "#", group.makers[0]), []).append(group)
    half = len(groups) // 2
    return [*alike.values()] if len(alike) > 1 else [groups[:half], groups[half:]]


def _half(group: Group) -> Tensor:
    """Half of the units, from all over the width."""
    order = torch.randperm(group.size, generator=torch.Generator().manual_seed(0))
    return order[: group.size // 2].sort().values


def _overlap(group: Group, others: Sequence[Group]) -> bool:
    own = _entries(group)
    return any(own & _entries(other) for other in others)


def _entries(group: Group) -> set[tuple[str, int, int]]:
    every = torch.arange(group.size)
    return {
        (part.name, part.dim, entry)
        for part in (*group.produced, *group.consumed)
        for entry in part.entries(every).flatten().tolist()
    }
