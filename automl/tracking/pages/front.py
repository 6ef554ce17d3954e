"""front.html: every trial by any two or three figures, with limits to try."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from automl import pareto
from automl.errors import UserError, unknown
from automl.tracking.pages import charts, formats, rendering
from automl.tracking.pages.findings import (
    AS_GOOD,
    BREAKS,
    DOMINATED,
    FRONT,
    GROUPS,
    Findings,
    Point,
)
from automl.tracking.pages.sample import sampled

MARKERS: dict[str, dict[str, object]] = {
    "failed": {"symbol": "x-thin-open", "size": 7, "color": charts.PALE},
    "rejected": {"symbol": "square-open", "size": 7, "color": charts.PALE},
    "stopped": {"symbol": "circle-open", "size": 7, "color": charts.PALE},
    BREAKS: {"symbol": "diamond-open", "size": 8, "color": charts.AMBER},
    DOMINATED: {"symbol": "circle", "size": 8, "color": charts.GREY, "opacity": 0.7},
    AS_GOOD: {"symbol": "circle-open", "size": 9, "color": charts.BLUE},
    FRONT: {"symbol": "circle", "size": 12, "line": {"width": 1, "color": charts.INK}},
}
CHOICE = {
    "symbol": "star",
    "size": 20,
    "color": "#f2b705",
    "line": {"width": 1.5, "color": charts.INK},
}
ERROR_BAR = {"type": "data", "thickness": 1, "width": 0, "color": "#7a93ad"}
MAX_PARAMS = 25
"""So many lines of parameters fit beside a point."""


def document(findings: Findings) -> str:
    title, data = f"{findings.name}: the front", script_data(findings)
    return rendering.page("front.html.j2", {}, title=title, findings=findings, front=data)


def script_data(findings: Findings) -> dict[str, object]:
    """The data that front.js draws: traces whose `customdata` are the figures `names`."""
    drawn = chart(findings).to_plotly_json()
    names, front = findings.names, [record.values for record in findings.front]
    axes = {name: axis(name, _values(findings, name)) for name in names}
    known = {name: [own[name] for own in front if name in own] for name in names}
    return {
        "traces": drawn["data"],
        "layout": drawn["layout"],
        "names": names,
        "axes": axes,
        "objectives": findings.settings.objectives,
        "errorBar": ERROR_BAR,
        "better": {name: findings.settings.directions[name] for name in names},
        "logarithmic": [name for name in names if axes[name].get("type") == "log"],
        "limits": {name: [min(own), max(own)] for name, own in known.items() if own},
        "search": findings.name,
        "take": findings.advice.command if findings.advice else "",
    }


def chart(findings: Findings) -> go.Figure:
    """A trace for each group of trials, and one for the model to take; without axes."""
    drawn, known = go.Figure(), sampled([point for point in findings.points if point.figures])
    for group in GROUPS:
        points = [point for point in known if point.group == group]
        if points or group == FRONT:
            drawn.add_trace(_trace(findings, group, points, MARKERS[group]))
    if findings.advice is not None:
        record = findings.advice.record
        chosen = [point for point in findings.points if point.record.id == record.id]
        name = f"take: {record.trial_id}"
        drawn.add_trace(_trace(findings, name, chosen, CHOICE))
    drawn.update_layout(
        charts.LAYOUT,
        template="none",
        height=560,
        margin={"t": 50},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        legend_itemsizing="constant",
    )
    return drawn


def plot(findings: Findings, x: str, y: str) -> go.Figure:
    """The chart with two figures as its axes. Raises UserError on a figure that none has."""
    for name in (x, y):
        if name not in findings.names:
            raise UserError(unknown("figure", name, list(findings.names)))
    drawn, across, up = chart(findings), *map(findings.names.index, (x, y))
    for trace in drawn.data:
        trace.x = [figures[across] for figures in trace.customdata]
        trace.y = [figures[up] for figures in trace.customdata]
        if trace.meta:
            trace.error_x = {**ERROR_BAR, "array": [errors[across] for errors in trace.meta]}
            trace.error_y = {**ERROR_BAR, "array": [errors[up] for errors in trace.meta]}
    drawn.update_layout(xaxis=axis(x, _values(findings, x)), yaxis=axis(y, _values(findings, y)))
    return drawn


def axis(name: str, values: Sequence[float]) -> dict[str, object]:
    """The layout of a figure's axis; bytes and times above 0 are in logarithms, with round
    numbers."""
    layout: dict[str, object] = {**charts.AXIS, "title": {**charts.TITLE, "text": name}}
    if not charts.is_log(name, values):
        return layout
    if numbers := ticks(values):
        layout |= {"tickvals": list(numbers), "ticktext": list(numbers.values())}
    return layout | {"type": "log"}


def ticks(values: Sequence[float]) -> dict[float, str]:
    """Round numbers around values above 0, with their texts; none where only one fits."""
    numbers = charts.round_numbers(min(values) * 0.95, max(values) * 1.05)
    return {number: f"{number:,g}" for number in numbers} if len(numbers) > 1 else {}


def _trace(
    findings: Findings, name: str, points: Sequence[Point], marker: dict[str, object]
) -> go.Scatter:
    has_bars = name == FRONT and findings.is_uncertain
    return go.Scatter(
        mode="markers",
        name=name,
        marker=marker,
        customdata=[[point.figures.get(name) for name in findings.names] for point in points],
        meta=[_errors(findings, point) for point in points] if has_bars else None,
        text=[_hover(point) for point in points],
        hoverinfo="text",
    )


def _errors(findings: Findings, point: Point) -> list[float]:
    """The standard errors of a model's figures, by the place of their names; 0 where exact."""
    uncertainty = point.record.uncertainty
    return [uncertainty.get(name, 0.0) for name in findings.names]


def _values(findings: Findings, name: str) -> list[float]:
    return [point.figures[name] for point in findings.points if name in point.figures]


def _hover(point: Point) -> str:
    """A point's figures and parameters, in the little HTML that plotly knows."""
    record, result = point.record, point.record.result
    assert result is not None
    uncertainty = result.measurement.uncertainty if result.measurement else {}
    figures = [
        f"{name}: {'at least ' * bool(point.last_compared and name == 'size_bytes')}"
        f"{formats.uncertain(name, value, uncertainty)}"
        for name, value in point.figures.items()
        if name in pareto.DIRECTIONS
    ]
    when = f", at {point.last_compared}" if point.last_compared else ""
    params = [f"{k} = {formats.parameter(v)}" for k, v in list(record.params.items())[:MAX_PARAMS]]
    more = len(record.params) - len(params)
    lines = [*figures, f"{result.seconds:.1f} s", *[result.reason[:100]] * bool(result.reason)]
    lines += ["", *params, *[f"and {more} more"] * bool(more)]
    shown = map(charts.escape, lines)
    return "<br>".join([f"<b>trial {record.trial_id}</b>, {point.group}{when}", *shown])
