"""A report as the stop rule compares it: at a rung, with a vector of all objectives."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

from automl import conditions, pareto
from automl.bounds.bound import Bound
from automl.recipe import Report
from automl.space.space import TrialConfig
from automl.study.record import Settings
from automl.study.rung_state import Entry, RungName
from automl.study.stopping.stop_rule import is_rung
from automl.training.distillation import Taught

LEAST_BATCHES = 50
"""Two epochs of a few hundred rows are some ten batches, by which nothing can be told: on OSULeaf,
a set of 200 series, a search found half as much again without stopping as with it
(`tests/benchmarks/held_out.py`)."""

RungEntryOf: TypeAlias = Callable[[TrialConfig, list[str], Report], tuple[RungName, Entry] | None]
"""`rung_entry` of a search: of a trial's config, its keys and a report."""


_rung_name = cache(RungName)
"""The name of a rung, which all of its entries share."""


def no_rung(config: TrialConfig, keys: list[str], report: Report) -> None:
    """Compare no report: every trial goes on to its end."""


def rung_entry(
    settings: Settings,
    bound_of: Callable[[TrialConfig], Bound],
    config: TrialConfig,
    keys: list[str],
    report: Report,
) -> tuple[RungName, Entry] | None:
    """The rung at which a report is compared, and the entry there; None between two rungs.

    Trials are compared at the same epoch of a step of the same label if they learn from the same
    kind of teacher, or from none: a distillation is slow at first, and is compared with its like.
    What has learned from fewer than `LEAST_BATCHES` is not compared.
    Quality is that of now, size is the bound of the final file; latency and memory go by the
    multiply-accumulates. A trial of which neither is known is not compared by them.
    """
    if not is_rung(report.epoch, report.epochs) or 0 < report.batches < LEAST_BATCHES:
        return None
    labels = [step.label for step in config.recipe]
    if report.step not in labels:
        return None
    position = labels.index(report.step)
    bound = bound_of(config)
    known, times = dict(report.metrics), set[str]()
    if bound.size_bytes:
        # Packed weights hardly get shorter by zstd.
        known |= dict.fromkeys(("size_bytes", "compressed_bytes"), float(bound.size_bytes))
        times = {n for n in settings.axes if n.endswith("_ms") or n in pareto.WORK}
    if not known.keys() >= settings.axes.keys() - times:
        return None
    by_work = -math.log(max(1, bound.macs)) / math.log(pareto.SPAN)
    values = tuple(
        by_work if name in times else axis.at(known[name]) for name, axis in settings.axes.items()
    )
    limits = [limit for limit in settings.limits if limit.figure in known]
    violation = conditions.violation(known, limits)
    loss = getattr(config.recipe[position], "loss", None)
    teacher = type(loss).__name__ if isinstance(loss, Taught) else "labels"
    name = _rung_name(report.step, teacher, report.epoch)
    return name, Entry(keys[position], values, violation)
