"""The interactive front: every trial, any two or three figures, limits to try."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from automl import pareto
from automl.tracking.pages import templates
from automl.tracking.pages.findings import BREAKS, DOMINATED, FRONT, GROUPS, Findings, Point

LOGARITHMIC = ("size_bytes", "latency_ms", "load_ms")
MARKERS: dict[str, dict[str, Any]] = {
    "failed": {"symbol": "x-thin-open", "size": 7, "color": templates.PALE},
    "rejected": {"symbol": "square-open", "size": 7, "color": templates.PALE},
    "stopped": {"symbol": "circle-open", "size": 7, "color": templates.PALE},
    BREAKS: {"symbol": "diamond-open", "size": 8, "color": templates.AMBER},
    DOMINATED: {"symbol": "circle", "size": 8, "color": templates.GREY, "opacity": 0.7},
    FRONT: {"symbol": "circle", "size": 12, "line": {"width": 1, "color": templates.INK}},
}
CHOICE = {
    "symbol": "star",
    "size": 20,
    "color": "#f2b705",
    "line": {"width": 1.5, "color": templates.INK},
}
MAX_PARAMS = 25
"""So many lines of parameters fit beside a point."""


def document(findings: Findings) -> str:
    """front.html."""
    title = f"{findings.name}: the front"
    heading = (
        f"<h1>{templates.escape(findings.name)}</h1><p>{templates.escape(_headline(findings))}</p>"
    )
    body = f"{heading}<section>{section(findings)}</section>"
    return templates.document(title, body, {"charts": {}, "front": data(findings)})


def section(findings: Findings) -> str:
    """The chart with its controls, as `page.js` finds them."""
    names = findings.names
    views = ["2-D", "3-D"] if len(findings.settings.objectives) > 2 else ["2-D"]
    y, x, *rest = names if len(names) > 1 else (*names, *names)
    selects = [
        *(("view", "view", views, "2-D"), ("x", "x axis", names, x), ("y", "y axis", names, y)),
        ("z", "colour, z axis", names, rest[0] if rest else x),
        ("range", "range", ["all trials", "the front"], "all trials"),
    ]
    controls = "".join(_select(*select) for select in selects)
    limits = "".join(map(_limit, findings.settings.objectives))
    return (
        f'<div class="controls">{controls}</div><div id="front" class="chart"></div>'
        f'<div class="limits">{limits}</div><p id="fitting"></p><pre id="take"></pre>'
        f'<p class="note">{templates.escape(_not_drawn(findings))}</p>'
    )


def data(findings: Findings) -> dict[str, Any]:
    """What the page's script draws: traces whose `customdata` are the figures `names`."""
    chart = figure(findings).to_plotly_json()
    names, front = findings.names, [record.values for record in findings.front]
    axes = {name: axis(name, _values(findings, name)) for name in names}
    limits = {name: _range([values[name] for values in front]) for name in names if front}
    return {
        "traces": chart["data"],
        "layout": chart["layout"],
        "names": names,
        "axes": axes,
        "objectives": findings.settings.objectives,
        "better": {name: pareto.DIRECTIONS[name] for name in names},
        "logarithmic": [name for name in names if name in LOGARITHMIC],
        "limits": limits,
        "study": findings.name,
        "take": findings.advice.command if findings.advice else "",
    }


def figure(findings: Findings) -> Any:
    """One trace for each group of trials, and one for the model to take; no axes chosen yet."""
    chart = go.Figure()
    for group in GROUPS:
        points = [point for point in findings.points if point.group == group and point.figures]
        if points or group == FRONT:
            chart.add_trace(_trace(findings, group, points, MARKERS[group]))
    if findings.advice is not None:
        record = findings.advice.record
        chosen = [point for point in findings.points if point.record.id == record.id]
        name = f"take: {record.trial_id}"
        chart.add_trace(_trace(findings, name, chosen, CHOICE))
    chart.update_layout(
        templates.LAYOUT,
        template="none",
        height=560,
        margin={"t": 50},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        legend_itemsizing="constant",
    )
    return chart


def axis(name: str, values: Sequence[float]) -> dict[str, Any]:
    """How a figure's axis is drawn; bytes and times by their logarithm, at round numbers."""
    layout = {**templates.AXIS, "title": {**templates.TITLE, "text": name}}
    if name not in LOGARITHMIC or not values:
        return layout
    ticks = templates.round_numbers(min(values) * 0.95, max(values) * 1.05)
    if len(ticks) > 1:
        layout |= {"tickvals": ticks, "ticktext": [f"{tick:,g}" for tick in ticks]}
    return layout | {"type": "log"}


def _headline(findings: Findings) -> str:
    measured = sum(point.group in (FRONT, DOMINATED, BREAKS) for point in findings.points)
    return (
        f"{len(findings.front)} models on the front, of {measured} measured; no other is "
        "at least as good as one of these in everything."
    )


def _trace(
    findings: Findings, name: str, points: Sequence[Point], marker: dict[str, Any]
) -> go.Scatter:
    return go.Scatter(
        mode="markers",
        name=name,
        marker=marker,
        customdata=[[point.figures.get(name) for name in findings.names] for point in points],
        text=[_hover(point) for point in points],
        hoverinfo="text",
    )


def _values(findings: Findings, name: str) -> list[float]:
    return [point.figures[name] for point in findings.points if name in point.figures]


def _range(values: Sequence[float]) -> list[float]:
    return [min(values), max(values)]


def _hover(point: Point) -> str:
    """A point's figures and parameters, in the little HTML that plotly knows."""
    record, result = point.record, point.record.result
    assert result is not None
    figures = [
        f"{name}: {'at least ' * bool(point.place and name == 'size_bytes')}"
        f"{templates.figure(name, value)}"
        for name, value in point.figures.items()
        if name in pareto.DIRECTIONS
    ]
    place = f", at {point.place}" if point.place else ""
    params = [f"{k} = {_short(v)}" for k, v in list(record.params.items())[:MAX_PARAMS]]
    more = len(record.params) - len(params)
    lines = [*figures, f"{result.seconds:.1f} s", *[result.reason[:100]] * bool(result.reason)]
    lines += ["", *params, *[f"and {more} more"] * bool(more)]
    shown = map(templates.escape, lines)
    return "<br>".join([f"<b>trial {record.trial_id}</b>, {point.group}{place}", *shown])


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _select(name: str, label: str, options: Sequence[str], chosen: str) -> str:
    items = "".join(
        f"<option{' selected' * (option == chosen)}>{templates.escape(option)}</option>"
        for option in options
    )
    return f'<label>{label} <select id="{name}">{items}</select></label>'


def _limit(name: str) -> str:
    """A slider; its ends are set by the script."""
    sign = "≥" if pareto.DIRECTIONS[name] == "max" else "≤"
    return (
        f'<label><span>{name} {sign} <output id="bound-{name}"></output></span>'
        f'<input type="range" id="limit-{name}" min="0" max="100" value="0"></label>'
    )


def _not_drawn(findings: Findings) -> str:
    """What grey marks stand for, and how many trials nothing is known of."""
    unfinished = [
        point for point in findings.points if point.group not in (FRONT, DOMINATED, BREAKS)
    ]
    drawn = [point for point in unfinished if point.figures]
    missing = Counter(point.group for point in unfinished if not point.figures)
    words = []
    if drawn:
        words.append(
            "Pale marks are trials that were stopped, rejected or failed, at the quality of "
            "their last comparison and the least bytes that their file could have had; "
            "their times are not known."
        )
    if missing:
        counts = ", ".join(f"{count} {group}" for group, count in missing.items())
        words.append(f"Not drawn, since no figure of them is known: {counts}.")
    return " ".join(words)
