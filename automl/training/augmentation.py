"""Augmentations: rows changed at random while a model trains, on raw numbers of its shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from automl.config import Config
from automl.field_types import Above0To1, Whole
from automl.training.feed import moved


class Augmentation(Config):
    """Base of the random changes of a batch, with torch's random numbers.

    `needs_space` is the number of dimensions of space or time that a row must have; None stands
    for any but none.
    """

    needs_space: ClassVar[int | None] = None

    def __call__(self, rows: Tensor) -> Tensor:
        """The rows (rows, channels, *space), changed; of the same shape."""
        raise NotImplementedError


@dataclass(frozen=True)
class Shift(Augmentation):
    """Move each row by up to `pixels` (or steps) in each direction, and fill up with 0."""

    pixels: Whole = 2

    def __call__(self, rows: Tensor) -> Tensor:
        for dim in range(2, rows.ndim):
            length = rows.shape[dim]
            shifts = torch.randint(-self.pixels, self.pixels + 1, (len(rows), 1))
            positions = torch.arange(length) - shifts + self.pixels
            shape = [1] * rows.ndim
            shape[0], shape[dim] = len(rows), length
            index = moved(positions.clamp(0, length + 2 * self.pixels - 1).view(shape), rows.device)
            padding = [0, 0] * (rows.ndim - 1 - dim) + [self.pixels, self.pixels]
            rows = F.pad(rows, padding).gather(dim, index.expand(rows.shape))
        return rows


@dataclass(frozen=True)
class Flip(Augmentation):
    """Mirror half of the images left to right."""

    needs_space: ClassVar[int] = 2

    def __call__(self, rows: Tensor) -> Tensor:
        flipped = moved((torch.rand(len(rows)) < 0.5).view(-1, 1, 1, 1), rows.device)
        return torch.where(flipped, rows.flip(-1), rows)


@dataclass(frozen=True)
class RandomErasing(Augmentation):
    """Set a box of each row to 0, anywhere in it, `share` of each dimension long.

    https://arxiv.org/abs/1708.04896, https://arxiv.org/abs/1708.04552
    """

    share: Above0To1 = 0.4

    def __call__(self, rows: Tensor) -> Tensor:
        erased = torch.ones(len(rows), *[1] * (rows.ndim - 1), dtype=torch.bool)
        for dim in range(2, rows.ndim):
            length = rows.shape[dim]
            size = max(1, round(self.share * length))
            starts = torch.randint(0, length - size + 1, (len(rows), 1))
            positions = torch.arange(length)
            inside = (positions >= starts) & (positions < starts + size)
            shape = [1] * rows.ndim
            shape[0], shape[dim] = len(rows), length
            erased = erased & inside.view(shape)
        return rows.masked_fill(moved(erased, rows.device), 0.0)
