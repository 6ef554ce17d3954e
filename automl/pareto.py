"""Objectives, dominance and hypervolume over plain measurements."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import ge

from automl import quality
from automl.config import Config

WORK = ("macs", "peak_activation_bytes")
FILE_OBJECTIVES = ("size_bytes", "compressed_bytes", "latency_ms", "load_ms", *WORK)
"""Figures of a file that may be objectives; less is better."""

SPAN = 1000.0
"""Bytes and times run from the largest model's down to a thousandth of them."""

Values = Mapping[str, float]
Point = tuple[float, ...]
"""A point by its coordinates on the axes."""


class Directions(Mapping[str, str]):
    """The way that is better, "max" or "min", of every figure that may be an objective.

    Of a search's objectives its `axes` tell: another space may have a metric of the same name. The
    rest is a live view, since a space file may define another metric at any time. A figure on a
    further runtime, `openvino/latency_ms`, is in it, and is not listed.
    """

    def __init__(self, axes: Mapping[str, Axis] | None = None) -> None:
        self.axes = axes or {}

    def __getitem__(self, name: str) -> str:
        if name in self.axes:
            return self.axes[name].better
        return "min" if is_of_file(name) else quality.METRICS[name].better

    def __iter__(self) -> Iterator[str]:
        own = (name for name in self.axes if not is_of_file(name))
        return iter(dict.fromkeys(chain(quality.METRICS, own, FILE_OBJECTIVES)))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def sign(self, name: str) -> int:
        """The sign with which more of a figure is better."""
        return 1 if self[name] == "max" else -1


DIRECTIONS = Directions()
"""The directions of the metrics that this process knows, whatever search they are of."""


def is_of_file(name: str) -> bool:
    """True of a figure of a file, also of one on a further runtime: `openvino/latency_ms`."""
    return name.rpartition("/")[2] in FILE_OBJECTIVES


def figures_in(values: Values, directions: Directions = DIRECTIONS) -> list[str]:
    """The figures that may be objectives, of those that were measured."""
    further = [name for name in values if name not in FILE_OBJECTIVES and is_of_file(name)]
    return [*(name for name in directions if name in values), *further]


@dataclass(frozen=True)
class Axis(Config):
    """The range of an objective, frozen for a search: linear, or logarithmic when `log`."""

    worst: float
    best: float
    log: bool = False

    @property
    def better(self) -> str:
        """The way in which values get better: "max" or "min"."""
        return "max" if self.best > self.worst else "min"

    def at(self, value: float) -> float:
        """The coordinate of a value in [0, 1], where 1 is best; beyond the range it is clipped."""
        worst, best = self._ends
        place = _log(value) if self.log else value
        return min(1.0, max(0.0, (place - worst) / (best - worst)))

    @cached_property
    def _ends(self) -> tuple[float, float]:
        return (_log(self.worst), _log(self.best)) if self.log else (self.worst, self.best)

    def value(self, coordinate: float) -> float:
        """The value at a coordinate: the inverse of `at`."""
        if self.log:
            return self.worst * math.exp(coordinate * math.log(self.best / self.worst))
        return self.worst + coordinate * (self.best - self.worst)


def _log(value: float) -> float:
    return math.log(max(value, 1e-300))


def dominates(a: Values, b: Values, objectives: Sequence[str]) -> bool:
    """True if a is nowhere worse than b and somewhere better."""
    signs = [(DIRECTIONS.sign(name), name) for name in objectives]
    pairs = [(sign * a[name], sign * b[name]) for sign, name in signs]
    return all(x >= y for x, y in pairs) and any(x > y for x, y in pairs)


def covers(
    a: Values, b: Values, objectives: Sequence[str], directions: Directions = DIRECTIONS
) -> bool:
    """True if a is nowhere worse than b."""
    signs = ((directions.sign(name), name) for name in objectives)
    return all(sign * a[name] >= sign * b[name] for sign, name in signs)


def front_positions(points: Sequence[Values], objectives: Sequence[str]) -> list[int]:
    """Positions of the points that no other point dominates; of equal points the first."""
    front: list[int] = []
    for i, point in enumerate(points):
        if any(covers(points[j], point, objectives) for j in front):
            continue
        front = [j for j in front if not dominates(point, points[j], objectives)]
        front.append(i)
    return front


def hypervolume(points: Sequence[Values], axes: Mapping[str, Axis]) -> float:
    """The share of the unit cube that the points dominate, exact."""
    return _volume([tuple(axes[name].at(p[name]) for name in axes) for p in points])


def _volume(points: Sequence[Point]) -> float:
    """The volume that points in [0, 1] dominate: slices along the last axis, from the top.

    Each point widens the slices below it by what it alone covers (While et al. 2012, "A fast way
    of calculating exact hypervolumes").
    """
    if not points:
        return 0.0
    if len(points[0]) == 1:
        return max(point[0] for point in points)
    wider = _Staircase().add if len(points[0]) == 3 else _Shadow().add
    points = sorted(points, key=lambda point: point[-1], reverse=True)
    volume = area = 0.0
    for i, point in enumerate(points):
        area += wider(point[:-1])
        below = points[i + 1][-1] if i + 1 < len(points) else 0.0
        volume += (point[-1] - below) * area
    return volume


class _Shadow:
    """Points that come one by one, and what each covers that those before it did not."""

    def __init__(self) -> None:
        self.points: list[Point] = []

    def add(self, point: Point) -> float:
        shared = [tuple(map(min, point, other)) for other in self.points]
        self.points = [p for p, own in zip(self.points, shared, strict=True) if p != own]
        self.points.append(point)
        return math.prod(point) - _volume(_undominated(shared))


class _Staircase:
    """The same for points of two axes: the steps that are left, from left to right."""

    def __init__(self) -> None:
        self.across: list[float] = []
        self.up: list[float] = []

    def add(self, point: Point) -> float:
        x, y = point
        first = last = bisect_left(self.across, x)
        right = self.up[first] if first < len(self.up) else 0.0
        if right >= y:
            return 0.0
        if first < len(self.across) and self.across[first] == x:
            last += 1
        while first and self.up[first - 1] <= y:
            first -= 1
        left = self.across[first - 1] if first else 0.0
        edges, heights = [left, *self.across[first:last]], [*self.up[first:last]]
        if not heights or edges[-1] != x:
            edges, heights = [*edges, x], [*heights, right]
        self.across[first:last], self.up[first:last] = [x], [y]
        steps = zip(edges, edges[1:], heights, strict=False)
        return sum((end - start) * (y - height) for start, end, height in steps)


def _undominated(points: Iterable[Point]) -> list[Point]:
    """Keep the points, 1 best, that no other covers."""
    found: list[Point] = []
    for point in sorted(set(points), reverse=True):
        if not any(all(map(ge, other, point)) for other in found):
            found.append(point)
    return found
