"""Screening: trials that would break a constraint or miss the front, whatever they score."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from automl import conditions, pareto, quality
from automl.bounds.bound import Bound
from automl.study.record import Settings, TrialRecord

MAX_IN_A_ROW = 50
"""The most refusals in a row: where all that is drawn is refused, the next one is tried."""
WEIGHT_OF_MANY = 13
"""The refusals that a whole set of candidates counts as, when all of them are refused."""


def screen(settings: Settings, front: Sequence[TrialRecord]) -> Callable[[Bound], bool]:
    """A function that tells whether a trial of some lower bounds is of no use: surely rejected, or
    beaten were it perfect in all else: the best that each metric can be, and no time at all."""
    best = {name: metric.perfect for name, metric in quality.METRICS.items()}
    best |= {n: axis.best for n, axis in settings.axes.items() if not pareto.is_of_file(n)}
    wanted = (*settings.objectives, *(limit.figure for limit in settings.limits))
    perfect = {**dict.fromkeys(wanted, 0.0), **best}
    known = settings.directions
    others = [name for name in settings.objectives if name != "size_bytes"]
    unbeaten = [r.values for r in front if pareto.covers(r.values, perfect, others, known)]
    limits = [
        limit
        for limit in settings.limits
        if known[limit.figure] == "min" and limit.comparison in ("<", "<=")
    ]

    def refuses(bound: Bound) -> bool:
        if bound.is_rejected:
            return True
        reached = {**perfect, "size_bytes": bound.size_bytes}
        if not conditions.satisfies(reached, limits):
            return True
        return any(
            pareto.covers(values, reached, settings.objectives, known) for values in unbeaten
        )

    return refuses
