"""Parallel coordinates: the parameters of measured models, and what they led to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from automl.tracking.pages import charts
from automl.tracking.pages.findings import FRONT, GROUPS, Findings, Point
from automl.tracking.pages.formats import short
from automl.tracking.pages.sample import sampled

MAX_PARAMS = 12
UNUSED = "–"
"""The tick of trials that have no such parameter."""
Axis = dict[str, object]
"""An axis as plotly takes it."""


def num_hidden(findings: Findings) -> int:
    """The number of parameters for which the chart has no room."""
    return max(0, len(_params(_measured(findings))) - MAX_PARAMS)


def chart(findings: Findings) -> go.Figure:
    points = sampled(_measured(findings))
    objectives = [
        _numbers(name, values, is_log=charts.is_log(name, values))
        for name in findings.settings.objectives
        for values in [[point.figures[name] for point in points]]
    ]
    known = {name: d for point in points for name, d in point.record.distributions.items()}
    params = [
        _param(name, [p.record.params.get(name) for p in points], known.get(name))
        for name in _params(points)[:MAX_PARAMS]
    ]
    drawn = go.Figure(
        go.Parcoords(
            dimensions=[*objectives, *params],
            line={
                "color": [float(point.group == FRONT) for point in points],
                "colorscale": [[0, charts.PALE], [1, charts.BLUE]],
                "cmin": 0,
                "cmax": 1,
            },
            labelfont={"size": 12},
            tickfont={"size": 11},
        )
    )
    width = max(900, 125 * (len(objectives) + len(params)))
    drawn.update_layout(charts.LAYOUT, template="none", height=440, width=width)
    drawn.update_layout(margin={"l": 60, "r": 60, "t": 90, "b": 30})
    return drawn


def _measured(findings: Findings) -> list[Point]:
    """Measured models, the front's last: they are drawn over the others."""
    return sorted(findings.measured, key=lambda point: GROUPS.index(point.group))


def _params(points: Sequence[Point]) -> list[str]:
    """The parameters that differ between trials, those that most trials have first."""
    values: dict[str, set[object]] = {}
    counts: Counter[str] = Counter()
    for point in points:
        counts.update(list(point.record.params))
        for name, value in point.record.params.items():
            values.setdefault(name, set()).add(value)
    different = [n for n in values if len(values[n]) > 1 or counts[n] < len(points)]
    return sorted(different, key=lambda name: -counts[name])


def _param(name: str, values: Sequence[Any], distribution: object) -> Axis:
    """An axis of a parameter, as its distribution in the study says."""
    label = _label(name)
    if distribution is None or hasattr(distribution, "choices"):
        options = getattr(distribution, "choices", sorted(set(values) - {None}, key=str))
        return _choices(label, values, options)
    return _numbers(label, values, is_log=getattr(distribution, "log", False))


def _choices(label: str, values: Sequence[object], options: Sequence[object]) -> Axis:
    met = [None] * (None in values) + [option for option in options if option in values]
    names = [UNUSED if option is None else charts.escape(option) for option in met]
    return {
        "label": label,
        "values": [met.index(value) for value in values],
        "tickvals": list(range(len(met))),
        "ticktext": names,
        "range": [-0.3, len(met) - 0.7],
    }


def _numbers(label: str, values: Sequence[float | None], *, is_log: bool) -> Axis:
    """An axis of numbers; what is missing lies below the least."""
    known = [value for value in values if value is not None]
    low, high = min(known), max(known)
    if is_log:
        ticks = charts.round_numbers(low * 0.99, high * 1.01) or [low]
        low, high = math.log10(low), math.log10(high)
        places = [math.log10(tick) for tick in ticks]
    else:
        places = ticks = [low + (high - low) * i / 4 for i in range(5)] if high > low else [low]
    texts = [f"{tick:,.0f}" if tick >= 1000 else f"{tick:.3g}" for tick in ticks]
    floor = low - 0.15 * ((high - low) or 1)
    if None in values:
        places, texts = [floor, *places], [UNUSED, *texts]
    return {
        "label": label,
        "values": [_place(value, floor, is_log) for value in values],
        "tickvals": places,
        "ticktext": texts,
        "range": [min(low, *places), max(high, *places)],
    }


def _place(value: float | None, floor: float, is_log: bool) -> float:
    if value is None:
        return floor
    return math.log10(value) if is_log else value


def _label(path: str) -> str:
    """A parameter's path, short and on a few lines."""
    parts = short(path).split(".")
    if len(parts) > 3:
        parts = [parts[0], "…", parts[-1]]
    return "<br>".join(map(charts.escape, parts))
