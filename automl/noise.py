"""Differences of figures that noise explains, and the front that is left without them.

A figure's uncertainty is its standard error, in its own unit; a figure without one is exact. Two
qualities are of the same rows, so that their errors have a part in common, which their difference
has not. The smaller of two models is to stay unless the other is better by one standard error of
the difference (the rule of Breiman et al. 1984 for the simplest of the best models); times, which
come out otherwise whenever they are taken, must differ by two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.pareto import DIRECTIONS, Directions, Values, is_of_file

QUALITY_ERRORS, TIME_ERRORS = 1.0, 2.0
"""The standard errors of a difference that noise explains."""
SHARED = 0.6
"""The correlation of two models' errors over rows: 0.56 to 0.78 between the middle half of pairs
of good models, in two searches of digits with 359 rows."""

Uncertainty: TypeAlias = Mapping[str, float]


def tolerance(name: str, a: float, b: float) -> float:
    """The difference in a figure up to which two models of standard errors a and b are equal."""
    return float(_tolerance(name, np.asarray(a), np.asarray(b)))


def told_apart(
    points: Sequence[Values],
    uncertainty: Sequence[Uncertainty],
    objectives: Sequence[str],
    directions: Directions = DIRECTIONS,
) -> list[int]:
    """Positions of the members of a front that noise alone does not keep there.

    Each of two that stay is better than the other in some objective, by more than the tolerance.
    Each that goes is better than one that stays in none (but for circles of three and more, which
    tolerances allow). A model that has no other as good is chosen before those that it is as good
    as; of models that are as good as each other, the smaller, then that of better quality, then
    the first. Times, which change when they are measured again, do not choose.
    """
    if not any(name in errors for errors in uncertainty for name in objectives):
        return list(range(len(points)))
    replaces = ~_beats(points, uncertainty, objectives, directions).T
    np.fill_diagonal(replaces, False)
    above = replaces & ~replaces.T
    num_above, waits = above.sum(0), np.ones(len(points), bool)
    order, kept = np.array(_order(points, directions)), []
    while waits.any():
        waiting = order[waits[order]]
        chosen = int(waiting[np.argmin(num_above[waiting])])
        gone = waits & (replaces[chosen] | replaces[:, chosen])
        gone[chosen] = True
        waits &= ~gone
        num_above -= above[gone].sum(0)
        kept.append(chosen)
    return sorted(kept)


def _beats(
    points: Sequence[Values],
    uncertainty: Sequence[Uncertainty],
    objectives: Sequence[str],
    directions: Directions,
) -> NDArray[np.bool_]:
    """A mask of the pairs whose first is better in some objective by more than noise, (n, n)."""
    beats = np.zeros((len(points), len(points)), bool)
    for name in objectives:
        values = directions.sign(name) * np.array([point[name] for point in points])
        errors = np.array([one.get(name, 0.0) for one in uncertainty])
        ahead = values[:, None] - values
        beats |= ahead > _tolerance(name, errors[:, None], errors)
    return beats


def _order(points: Sequence[Values], directions: Directions) -> list[int]:
    """Positions, those to be preferred first, by figures that are the same on each measuring."""
    signs = {name: directions.sign(name) for name in directions if not is_of_file(name)}

    def preference(position: int) -> tuple[float, ...]:
        point = points[position]
        measured = [-sign * point[name] for name, sign in signs.items() if name in point]
        return (point.get("size_bytes", 0.0), *measured)

    return sorted(range(len(points)), key=preference)


def _tolerance(name: str, a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    is_quality = not is_of_file(name)
    shared = SHARED if is_quality else 0.0
    spread: NDArray[np.float64] = np.sqrt(a * a + b * b - 2 * shared * a * b)
    return (QUALITY_ERRORS if is_quality else TIME_ERRORS) * spread
