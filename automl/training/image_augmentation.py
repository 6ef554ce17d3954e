"""Augmentations of images: their geometry, their colours, and random picks of both.

RandAugment: https://arxiv.org/abs/1909.13719
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from automl.field_types import Count, From0Below1, From0To1, NotNegative
from automl.training.augmentation import Augmentation
from automl.training.feed import moved

LUMA = (0.299, 0.587, 0.114)
"""The weights of red, green and blue in a grey of the same lightness (ITU-R BT.601)."""


@dataclass(frozen=True)
class Affine(Augmentation):
    """Rotate, scale and shear each image, and fill up with 0.

    Each is by at most so much either way; a `scale` of 0.1 is a size from 0.9 to 1.1.
    """

    rotate_degrees: NotNegative = 10.0
    scale: From0Below1 = 0.1
    shear_degrees: NotNegative = 5.0
    needs_space: ClassVar[int] = 2

    def __call__(self, rows: Tensor) -> Tensor:
        count, zero = len(rows), torch.zeros(len(rows))
        turned = _rotation(math.radians(self.rotate_degrees) * _either_way(count))
        sheared = math.tan(math.radians(self.shear_degrees)) * _either_way(count)
        size = 1 + self.scale * _either_way(count)
        return _transformed(rows, turned @ _matrix(1 / size, sheared / size, zero, 1 / size))


@dataclass(frozen=True)
class Colour(Augmentation):
    """Change brightness, contrast and saturation of each image, each by a factor of its own.

    A factor is at most so much above or below 1. Images of one channel have no saturation.
    """

    brightness: From0To1 = 0.2
    contrast: From0To1 = 0.2
    saturation: From0To1 = 0.2
    needs_space: ClassVar[int] = 2

    def __call__(self, rows: Tensor) -> Tensor:
        most = (_brightened, self.brightness), (_contrasted, self.contrast)
        for change, strength in (*most, (_saturated, self.saturation)):
            rows = change(rows, moved(strength * _either_way(len(rows)), rows.device))
        return rows


@dataclass(frozen=True)
class RandAugment(Augmentation):
    """Change each image by `num_operations` of twelve, drawn for each image anew.

    They are: nothing, a rotation, two shears, two moves, brightness, contrast, saturation,
    sharpness, an inversion of the brightest numbers, and coarser steps between numbers.
    `magnitude` is the strength of each, in shares of the most that the paper has. All that moves
    pixels comes first, at once.
    """

    num_operations: Count = 2
    magnitude: From0To1 = 0.3
    needs_space: ClassVar[int] = 2

    def __call__(self, rows: Tensor) -> Tensor:
        shape = self.num_operations, len(rows)
        drawn = torch.randint(1 + len(GEOMETRY) + len(COLOURS), shape) - 1
        ways = self.magnitude * (2.0 * torch.randint(2, shape) - 1)
        matrices = torch.eye(2, 3).expand(len(rows), 2, 3)
        for number, matrix in enumerate(GEOMETRY):
            for chosen, way in zip(drawn, ways):
                matrices = _after(matrices, matrix(torch.where(chosen == number, way, 0.0)))
        rows = _transformed(rows, matrices)
        for chosen, way in zip(drawn, ways):
            for number, change in enumerate(COLOURS, len(GEOMETRY)):
                places = (chosen == number).nonzero()[:, 0]
                if len(places):
                    strength, there = moved(way[places], rows.device), moved(places, rows.device)
                    rows = rows.index_copy(0, there, change(rows[there], strength))
        return rows


def _either_way(count: int) -> Tensor:
    """Random numbers (rows,), uniform from -1 to 1."""
    return 2 * torch.rand(count) - 1


def _matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Matrices (rows, 2, 2) of their entries (rows,)."""
    return torch.stack([torch.stack([a, b], 1), torch.stack([c, d], 1)], 1)


def _rotation(angles: Tensor) -> Tensor:
    """Matrices (rows, 2, 2) of rotations by angles (rows,)."""
    cosine, sine = angles.cos(), angles.sin()
    return _matrix(cosine, -sine, sine, cosine)


def _after(first: Tensor, second: Tensor) -> Tensor:
    """Matrices (rows, 2, 3) of one change after another; the second has no shift, if (2, 2)."""
    shift = second[:, :, 2:] if second.shape[2] == 3 else 0.0
    turned = second[:, :, :2] @ first
    turned[:, :, 2:] += shift
    return turned


def _transformed(rows: Tensor, matrices: Tensor) -> Tensor:
    """Images (rows, channels, height, width) with pixels from where matrices (rows, 2, 2) or
    (rows, 2, 3) lead: pixels from the middle, shifts in shares of half the image."""
    height, width = rows.shape[2:]
    whole = torch.zeros(len(rows), 2, 3)
    whole[:, :, : matrices.shape[2]] = matrices
    # The grid counts in half widths and half heights.
    whole[:, 0, 1] *= height / width
    whole[:, 1, 0] *= width / height
    grid = F.affine_grid(moved(whole, rows.device), list(rows.shape), align_corners=False)
    return F.grid_sample(rows, grid.to(rows.dtype), align_corners=False)


def _blended(rows: Tensor, other: Tensor, strengths: Tensor) -> Tensor:
    """Rows (rows, channels, height, width) moved away from another form of them, or towards it:
    by 1 plus strengths (rows,)."""
    return other + (rows - other) * (1 + strengths).view(-1, 1, 1, 1)


def _grey(rows: Tensor) -> Tensor:
    """The lightness (rows, 1, height, width) of images."""
    if rows.shape[1] != len(LUMA):
        return rows.mean(1, keepdim=True)
    weights = torch.tensor(LUMA, device=rows.device, dtype=rows.dtype).view(1, -1, 1, 1)
    return (rows * weights).sum(1, keepdim=True)


def _brightened(rows: Tensor, strengths: Tensor) -> Tensor:
    return _blended(rows, torch.zeros_like(rows), strengths)


def _contrasted(rows: Tensor, strengths: Tensor) -> Tensor:
    return _blended(rows, _grey(rows).mean((2, 3), keepdim=True), strengths)


def _saturated(rows: Tensor, strengths: Tensor) -> Tensor:
    return _blended(rows, _grey(rows), strengths)


def _sharpened(rows: Tensor, strengths: Tensor) -> Tensor:
    blurred = F.avg_pool2d(rows, 3, 1, padding=1, count_include_pad=False)
    return _blended(rows, blurred, strengths)


def _solarised(rows: Tensor, strengths: Tensor) -> Tensor:
    """Rows whose brightest numbers are turned round: of the range a share |strengths| (rows,)."""
    low, high = rows.amin((1, 2, 3), keepdim=True), rows.amax((1, 2, 3), keepdim=True)
    least = high - strengths.abs().view(-1, 1, 1, 1) * (high - low)
    return torch.where(rows > least, low + high - rows, rows)


def _posterised(rows: Tensor, strengths: Tensor) -> Tensor:
    """Rows in 2 ** (8 - 4 |strengths| (rows,)) steps between their least and largest number."""
    low, high = rows.amin((1, 2, 3), keepdim=True), rows.amax((1, 2, 3), keepdim=True)
    steps = (2 ** (8 - 4 * strengths.abs())).floor().view(-1, 1, 1, 1) - 1
    size = ((high - low) / steps).clamp(min=1e-12)
    return low + ((rows - low) / size).round() * size


def _sheared_x(ways: Tensor) -> Tensor:
    one = torch.ones_like(ways)
    return _matrix(one, 0.3 * ways, 0 * ways, one)


def _sheared_y(ways: Tensor) -> Tensor:
    return _sheared_x(ways).transpose(1, 2)


def _moved_x(ways: Tensor) -> Tensor:
    shift = torch.stack([0.9 * ways, 0 * ways], 1)[:, :, None]
    return torch.cat([torch.eye(2).expand(len(ways), 2, 2), shift], 2)


def _moved_y(ways: Tensor) -> Tensor:
    return _moved_x(ways)[:, [1, 0]][:, :, [1, 0, 2]]


GEOMETRY: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda ways: _rotation(math.radians(30) * ways),
    _sheared_x,
    _sheared_y,
    _moved_x,
    _moved_y,
)
"""Changes of where pixels come from, by their strengths from -1 to 1 (rows,)."""
COLOURS: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
    lambda rows, strengths: _brightened(rows, 0.9 * strengths),
    lambda rows, strengths: _contrasted(rows, 0.9 * strengths),
    lambda rows, strengths: _saturated(rows, 0.9 * strengths),
    lambda rows, strengths: _sharpened(rows, 0.9 * strengths),
    _solarised,
    _posterised,
)
"""Changes of the numbers of images, by their strengths from -1 to 1 (rows,)."""
