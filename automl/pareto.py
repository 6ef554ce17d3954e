"""Objectives, dominance, hypervolume and constraints over plain measurements."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from automl import quality
from automl.config import Config
from automl.errors import UserError

FILE_OBJECTIVES = ("size_bytes", "latency_ms", "load_ms")
"""Figures of a file that may be objectives; less is better."""

SPAN = 1000.0
"""Bytes and times run from the largest model's down to a thousandth of them."""

Values = Mapping[str, float]


class _Directions(Mapping[str, str]):
    """A live view: a space file may define another metric at any time."""

    def __getitem__(self, name: str) -> str:
        return "min" if name in FILE_OBJECTIVES else quality.METRICS[name].better

    def __iter__(self) -> Iterator[str]:
        return chain(quality.METRICS, FILE_OBJECTIVES)

    def __len__(self) -> int:
        return len(quality.METRICS) + len(FILE_OBJECTIVES)


DIRECTIONS: Mapping[str, str] = _Directions()
"""Every figure that may be an objective, and which way is better: "max" or "min"."""


@dataclass(frozen=True)
class Axis(Config):
    """The range of an objective, frozen for a search: linear, or logarithmic when `log`."""

    worst: float
    best: float
    log: bool = False

    def at(self, value: float) -> float:
        """The coordinate of a value in [0, 1], where 1 is best; beyond the range it is clipped."""
        worst, best = self.worst, self.best
        if self.log:
            value, worst, best = (math.log(max(v, 1e-300)) for v in (value, worst, best))
        return min(1.0, max(0.0, (value - worst) / (best - worst)))

    def value(self, coordinate: float) -> float:
        """The value at a coordinate: the inverse of `at`."""
        if self.log:
            return self.worst * math.exp(coordinate * math.log(self.best / self.worst))
        return self.worst + coordinate * (self.best - self.worst)


def dominates(a: Values, b: Values, objectives: Sequence[str]) -> bool:
    """True if a is nowhere worse than b and somewhere better."""
    pairs = [(_signed(a, name), _signed(b, name)) for name in objectives]
    return all(x >= y for x, y in pairs) and any(x > y for x, y in pairs)


def covers(a: Values, b: Values, objectives: Sequence[str]) -> bool:
    """True if a is nowhere worse than b."""
    return all(_signed(a, name) >= _signed(b, name) for name in objectives)


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


def parse_where(text: str) -> list[tuple[str, str, float]]:
    """'size_bytes<=20000 and accuracy>=0.95' as (name, operator, number) triples.

    Raises UserError on a text that is none, or names no figure.
    """
    conditions = []
    for part in re.split(r"\s+and\s+|,", text.strip()):
        match = re.fullmatch(r"\s*(\w+)\s*(<=|>=|<|>)\s*([-+.\deE]+)\s*", part)
        if match is None or match[1] not in DIRECTIONS:
            raise UserError(
                f"cannot read the condition {part.strip()!r}; write NAME<=NUMBER or NAME>=NUMBER, "
                f"joined by 'and', with NAME one of {', '.join(DIRECTIONS)}"
            )
        try:
            conditions.append((match[1], match[2], float(match[3])))
        except ValueError:
            raise UserError(f"{match[3]!r} in {part.strip()!r} is not a number") from None
    return conditions


def satisfies(values: Values, conditions: Sequence[tuple[str, str, float]]) -> bool:
    """True if measured values meet every condition of `parse_where`."""
    return all(_COMPARE[operator](values[name], bound) for name, operator, bound in conditions)


def violation(values: Values, conditions: Sequence[tuple[str, str, float]]) -> float:
    """The miss of the worst-met condition, as a share of its bound; 0 when all hold."""
    missed = [
        abs(values[name] - bound) / max(abs(bound), 1e-12)
        for name, operator, bound in conditions
        if not _COMPARE[operator](values[name], bound)
    ]
    return max(missed, default=0.0)


_COMPARE = {
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}


def _signed(values: Values, name: str) -> float:
    return values[name] if DIRECTIONS[name] == "max" else -values[name]


def _volume(points: list[tuple[float, ...]]) -> float:
    """The volume that points in [0, 1] dominate: the sum of slices along the last axis."""
    if not points:
        return 0.0
    if len(points[0]) == 1:
        return max(point[0] for point in points)
    points = sorted(points, key=lambda point: point[-1], reverse=True)
    volume = 0.0
    for i, point in enumerate(points):
        below = points[i + 1][-1] if i + 1 < len(points) else 0.0
        if point[-1] > below:
            volume += (point[-1] - below) * _volume([p[:-1] for p in points[: i + 1]])
    return volume
