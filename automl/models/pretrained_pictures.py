"""Pictures as pretrained models were trained on them, read from their settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PICTURE_NET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation of ImageNet's channels, which models take that say nothing else."""


@dataclass(frozen=True)
class Pictures:
    """Pictures as a model was trained on them: mean and deviation of each channel, where black is 0
    and white 1, their size (height, width), () where it is not told, and if blue comes first."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    size: tuple[int, ...]
    blue_first: bool = False


def moments_of(found: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel, where white is 1, by a preprocessor's settings."""
    white = 255 * found.get("rescale_factor", 1 / 255) if found.get("do_rescale", True) else 255.0
    # Only the preprocessors that order channels do not normalise unless they say so.
    if not found.get("do_normalize", "do_flip_channel_order" not in found):
        return (0.0,) * 3, (1 / white,) * 3
    mean, std = found.get("image_mean", PICTURE_NET[0]), found.get("image_std", PICTURE_NET[1])
    return tuple(value / white for value in mean), tuple(value / white for value in std)


def size_of(found: object) -> tuple[int, ...]:
    """A size (height, width) as libraries write it: a number, two, or named ones."""
    match found:
        case int():
            return found, found
        case {"height": int(height), "width": int(width)}:
            return height, width
        case {"shortest_edge": int(edge)}:
            return edge, edge
        case [int(height), int(width)]:
            return height, width
    return ()
