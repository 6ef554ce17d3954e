"""Mixing of the rows of a batch with one another, and of their targets: mixup and Cutmix.

Mixup: https://arxiv.org/abs/1710.09412, Cutmix: https://arxiv.org/abs/1905.04899
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from automl.field_types import From0To1, Positive
from automl.training.augmentation import Augmentation
from automl.training.feed import moved

LEAST_DRAWN = 0.01
"""The least alpha of which torch draws right: of 0.001 every fourth number is one half."""


@dataclass(frozen=True)
class Mix:
    """A mix of each row with its partner, whose number is in `partners` (rows,).

    `share` of a row's target is its own. It is the row's share of each number, too, unless there is
    a `box` of the shape (1, 1, *space), in which the partner's numbers stand.
    """

    share: float = 1.0
    partners: Tensor | None = None
    box: Tensor | None = None

    def __call__(self, inputs: Tensor) -> Tensor:
        """The mixed rows, of the same shape (rows, *input shape)."""
        if self.partners is None:
            return inputs
        others = inputs[self.partners]
        if self.box is not None:
            return torch.where(self.box, others, inputs)
        return self.share * inputs + (1 - self.share) * others


class Mixing(Augmentation):
    """Base of the augmentations that mix rows with others of their batch, and their targets.

    The mixing comes after all other changes. A teacher answers the mixed rows.
    """

    def __call__(self, rows: Tensor) -> Tensor:
        return rows

    def mix(self, num_rows: int, space: Sequence[int], device: str) -> Mix | None:
        """A mix of rows (rows, channels, *space), with torch's random numbers; None of none."""
        raise NotImplementedError


@dataclass(frozen=True)
class Cutmix(Mixing):
    """Have a box of each row come from another row, in a share `probability` of the batches.

    The other batches are mixed up where `mixup` says so. `alpha` is that of the distribution of
    the box's size.
    """

    alpha: Positive = 1.0
    probability: From0To1 = 0.5

    def mix(self, num_rows: int, space: Sequence[int], device: str) -> Mix | None:
        if torch.rand(()).item() >= self.probability:
            return None
        size = (1 - _share(self.alpha)) ** (1 / len(space))
        box = torch.ones(1, 1, *space, dtype=torch.bool)
        for dim, length in enumerate(space, 2):
            start = torch.randint(length, ()).item() - size * length / 2
            places = torch.arange(length)
            inside = (places >= round(start)) & (places < round(start + size * length))
            box = box & inside.view([-1 if dim == other else 1 for other in range(box.ndim)])
        share = 1 - box.float().mean().item()
        return Mix(share, moved(torch.randperm(num_rows), device), moved(box, device))


def mixup(alpha: float, num_rows: int, device: str) -> Mix:
    """A mix of rows by mixup; of an `alpha` of 0 none."""
    if not alpha:
        return Mix()
    return Mix(_share(alpha), moved(torch.randperm(num_rows), device))


def _share(alpha: float) -> float:
    """A number from Beta(alpha, alpha): by logarithms, where torch's own draws are too small for
    the computer's numbers."""
    if alpha >= LEAST_DRAWN:
        return torch.distributions.Beta(alpha, alpha).sample().item()
    first, second = torch.distributions.Gamma(1 + alpha, 1.0).sample((2,)).log()
    waits = torch.empty(2).exponential_()
    return torch.sigmoid(first - second + (waits[1] - waits[0]) / alpha).item()
