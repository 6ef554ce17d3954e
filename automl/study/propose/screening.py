"""What need not be tried: it breaks a constraint, or cannot join the front, whatever it scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from automl import pareto, quality
from automl.study.record import Settings, TrialRecord
from automl.study.stopping.rung_entry import Bound

MAX_IN_A_ROW = 50
"""Refuse no more at once: where all that is drawn is refused, the next one is tried."""
WEIGHT_OF_POOL = 13
"""A whole pool of candidates that are all refused counts as so many."""


def screen(settings: Settings, front: Sequence[TrialRecord]) -> Callable[[Bound], bool]:
    """Whether a trial of these lower bounds is of no use, were it perfect in all else.

    Perfect is the best that a metric can be, and no time at all.
    """
    best = {name: metric.perfect for name, metric in quality.METRICS.items()}
    perfect = {**dict.fromkeys(pareto.DIRECTIONS, 0.0), **best}
    others = [name for name in settings.objectives if name != "size_bytes"]
    unbeaten = [r.values for r in front if pareto.covers(r.values, perfect, others)]
    limits = [
        c for c in settings.conditions if pareto.DIRECTIONS[c[0]] == "min" and c[1] in ("<", "<=")
    ]

    def refuses(bound: Bound) -> bool:
        reached = {**perfect, "size_bytes": bound.size_bytes}
        if not pareto.satisfies(reached, limits):
            return True
        return any(pareto.covers(values, reached, settings.objectives) for values in unbeaten)

    return refuses
