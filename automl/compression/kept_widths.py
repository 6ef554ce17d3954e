"""Numbers of units that stay of each width when a fraction goes, one function per scope."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from automl.compression.layer_sensitivity import spread
from automl.recipe import LayerOption

CUTS = (1 / 8, 1 / 4, 3 / 8, 1 / 2, 5 / 8, 3 / 4)
"""The fractions of a width whose loss is measured; what is cut for it leaves a quarter."""


@dataclass(frozen=True)
class Width:
    """A width: the `scores` (units,) of the units that are left, the `size` before the first
    cut, the `multiple` that a size must be of, and, where measured, `options` of fewer units."""

    scores: Tensor
    size: int
    multiple: int
    options: Sequence[LayerOption] = ()

    @property
    def least(self) -> int:
        return least_width(self.size, self.multiple)


def kept_width(width: int, fraction: float, multiple: int) -> int:
    """The width after the cut: rounded down to a multiple, at least one, never wider."""
    # 80 * (1 - 0.8) / 8 falls short of 2 by a float's last bit.
    return min(width, multiple * max(1, int(width * (1 - fraction) / multiple + 1e-9)))


def least_width(width: int, multiple: int) -> int:
    """The least width where widths compete: the multiple from a quarter on, never wider."""
    return min(width, multiple * math.ceil(width / 4 / multiple))


def measured_widths(width: int, multiple: int) -> list[int]:
    """Widths below this one at which what is lost is worth measuring, the largest first."""
    found = {kept_width(width, fraction, multiple) for fraction in CUTS}
    least = least_width(width, multiple)
    return sorted((n for n in found if least <= n < width), reverse=True)


def even(widths: Sequence[Width], fraction: float) -> list[int]:
    """Each width without `fraction` of its size at first."""
    return [min(len(w.scores), kept_width(w.size, fraction, w.multiple)) for w in widths]


def ranked(widths: Sequence[Width], fraction: float) -> list[int]:
    """The widths that are left without the lowest scores of all.

    Together they lose `fraction` of their sizes at first; none falls under a multiple or a
    quarter of its own.
    """
    relative = [w.scores.cpu() / w.scores.mean().cpu().clamp_min(1e-12) for w in widths]
    free = [
        own.sort(descending=True).values[w.least :] for own, w in zip(relative, widths, strict=True)
    ]
    owner = torch.cat([torch.full((len(own),), i) for i, own in enumerate(free)])
    count = sum(len(w.scores) for w in widths) - _budget(widths, fraction)
    gone = owner[torch.cat(free).argsort(stable=True)[: max(0, count)]]
    left = [len(w.scores) - int((gone == i).sum()) for i, w in enumerate(widths)]
    return [max(w.least, n // w.multiple * w.multiple) for n, w in zip(left, widths, strict=True)]


def least_missed(widths: Sequence[Width], fraction: float) -> list[int]:
    """The widths that lose least together, by what was measured, without `fraction` of their
    sizes at first."""
    open_ones = {
        str(i): [option for option in w.options if option.value <= len(w.scores)]
        for i, w in enumerate(widths)
    }
    chosen = spread(open_ones, _budget(widths, fraction))
    return [int(option.value) for option in chosen.values()]


SCOPES: dict[str, Callable[[Sequence[Width], float], list[int]]] = {
    "layer": even,
    "global": ranked,
    "sensitivity": least_missed,
}
"""Functions from widths and a fraction of their sizes at first to the widths that stay."""


def strongest(scores: Tensor, count: int) -> Tensor:
    """The numbers (count,) of the units of the highest `scores` (units,), in their old order."""
    return scores.topk(count).indices.sort().values.cpu()


def _budget(widths: Sequence[Width], fraction: float) -> int:
    """The number of units that may stay."""
    return round((1 - fraction) * sum(w.size for w in widths))
