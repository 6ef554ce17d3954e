"""What the stop rule sees of a report: a place among equals, and a vector of all objectives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from automl import pareto
from automl.recipe import Report
from automl.space.space import TrialConfig
from automl.study.record import Settings
from automl.study.stopping.rung import Entry
from automl.study.stopping.stop_rule import Place, is_rung
from automl.training.distillation import Taught


class Bound(Protocol):
    """What is known of a trial's final file, and of its work, before it is trained."""

    @property
    def size_bytes(self) -> int: ...

    @property
    def macs(self) -> int: ...

    @property
    def steps(self) -> dict[str, int]:
        """Each step's work, in multiply-accumulates."""


def judged(
    settings: Settings,
    bound_of: Callable[[TrialConfig], Bound],
    config: TrialConfig,
    keys: list[str],
    report: Report,
) -> tuple[Place, Entry] | None:
    """Where a report is compared, and as what; None between two rungs.

    Equals are trials at the same epoch of a step of the same label that learn from the same kind
    of teacher, or none: a distillation is slow at first, and is compared with its like. Quality
    is that of now, size the bound of the final file, and latency goes by the
    multiply-accumulates.
    """
    if not is_rung(report.epoch, report.epochs):
        return None
    labels = [step.label for step in config.recipe]
    if report.step not in labels:
        return None
    position = labels.index(report.step)
    bound = bound_of(config)
    known = {**report.metrics, "size_bytes": float(bound.size_bytes)}
    times = {name for name in settings.axes if name.endswith("_ms")}
    if not known.keys() >= settings.axes.keys() - times:
        return None
    by_work = -math.log(max(1, bound.macs)) / math.log(pareto.SPAN)
    values = tuple(
        by_work if name in times else axis.at(known[name]) for name, axis in settings.axes.items()
    )
    violation = pareto.violation(known, [c for c in settings.conditions if c[0] in known])
    loss = getattr(config.recipe[position], "loss", None)
    kind = type(loss).__name__ if isinstance(loss, Taught) else "labels"
    place = (f"{report.step} {kind}", report.epoch)
    return place, Entry(keys[position], values, violation)
