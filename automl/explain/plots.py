"""The charts of explain.html."""

from __future__ import annotations

import html
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from automl.explain.text import amount, short
from automl.pareto import DIRECTIONS
from automl.tracking.pages import templates

Found = dict[str, Any]
GREY, GREEN, RED = "#c4c9cf", "#12a150", "#d92d20"
SHOWN = 8
"""Parameters of a chart of importances."""
MAX_CLASSES = 30
"""A table of more has cells that nobody can read."""


def charts(found: Found) -> dict[str, Any]:
    """Every chart that there is something to show in, by the id of its place on the page."""
    drawn = {"waterfall": waterfall(found), "bought": bought(found)}
    answers = found["answers"]
    if answers["task"] == "classes" and len(answers["names"]) <= MAX_CLASSES:
        drawn["confusion"] = confusion(answers)
    if found["importance"]:
        drawn["importance"] = importance(found["importance"])
    for place, (label, own) in enumerate(found["sensitivity"].items()):
        drawn[f"sensitivity-{place}"] = sensitivity(label, own)
    return {name: chart.to_plotly_json() for name, chart in drawn.items() if chart is not None}


def waterfall(found: Found) -> go.Figure | None:
    """Quality and bytes from the first step of the recipe to the last."""
    course = [out for out in found["ablation"]["course"] if out["figures"]]
    if len(course) < 2 or not found["model"]["measured"]:
        return None
    name = found["quality"]
    plot = make_subplots(1, 2, subplot_titles=(f"{name} after each step", "bytes after each step"))
    for column, key in enumerate((name, "size_bytes"), 1):
        values = [out["figures"][key] for out in course]
        changes = [values[0], *(b - a for a, b in zip(values, values[1:]))]
        plot.add_trace(
            go.Waterfall(
                x=[*(html.escape(out["name"]) for out in course), "the model"],
                y=[*changes, values[-1]],
                measure=["absolute", *["relative"] * (len(values) - 1), "total"],
                text=[amount(key, value) for value in (*values, values[-1])],
                textposition="outside",
                connector={"line": {"color": GREY}},
                totals={"marker": {"color": templates.BLUE}},
                **_colours(DIRECTIONS[key] == "max"),
            ),
            1,
            column,
        )
    values = [out["figures"][name] for out in course]
    room = max(values) - min(values) or abs(values[0]) * 0.02 or 1.0
    plot.update_yaxes(range=[min(values) - room, max(values) + room / 4], row=1, col=1)
    sizes = [out["figures"]["size_bytes"] for out in course]
    plot.update_yaxes(range=[0, 1.15 * max(sizes)], row=1, col=2)
    return _shown(plot, 340)


def bought(found: Found) -> go.Figure | None:
    """What the recipe would have otherwise without each technique."""
    name, whole = found["quality"], found["model"]["measured"]
    outs = [out for out in found["ablation"]["without"] if out["figures"]][::-1]
    if not outs or not whole:
        return None
    plot = make_subplots(
        1,
        2,
        shared_yaxes=True,
        subplot_titles=(f"{name} bought by each technique", "bytes saved by each technique"),
    )
    for column, key in enumerate((name, "size_bytes"), 1):
        sign = 1 if DIRECTIONS[key] == "max" else -1
        gains = [sign * (whole[key] - out["figures"][key]) for out in outs]
        plot.add_trace(
            go.Bar(
                y=[html.escape(out["name"]) for out in outs],
                x=gains,
                orientation="h",
                marker_color=[GREEN if gain > 0 else RED for gain in gains],
                text=[f"{g:+,.0f}" if key == "size_bytes" else f"{g:+.4f}" for g in gains],
                textposition="outside",
            ),
            1,
            column,
        )
        low, high = min(0.0, *gains), max(0.0, *gains)
        room = 0.25 * (high - low or 1.0)
        plot.update_xaxes(range=[low - room * (low < 0), high + room], row=1, col=column)
    plot.update_xaxes(zeroline=True, zerolinecolor="#52606d")
    return _shown(plot, 110 + 38 * len(outs))


def confusion(answers: Found) -> go.Figure:
    """True against answered classes, before and after compression; the diagonal is left blank."""
    times = list(answers["confusion"])
    titles = [f"{time} compression" for time in times] if len(times) > 1 else ["all answers"]
    plot = make_subplots(1, len(times), subplot_titles=titles, horizontal_spacing=0.12)
    names = [html.escape(name) for name in answers["names"]]
    mistakes = {
        time: [[0 if i == j else n for j, n in enumerate(row)] for i, row in enumerate(counts)]
        for time, counts in answers["confusion"].items()
    }
    most = max((n for rows in mistakes.values() for row in rows for n in row), default=0)
    for column, time in enumerate(times, 1):
        counts = answers["confusion"][time]
        plot.add_trace(
            go.Heatmap(
                z=mistakes[time],
                x=names,
                y=names,
                text=[[str(n) if n else "" for n in row] for row in counts],
                texttemplate="%{text}",
                hovertemplate="true %{y}, answered %{x}: %{text}<extra></extra>",
                colorscale=[[0, "#ffffff"], [1, RED]],
                zmin=0,
                zmax=max(1, most),
                showscale=False,
                xgap=1,
                ygap=1,
            ),
            1,
            column,
        )
    plot.update_xaxes(title="answered", type="category", showgrid=False)
    plot.update_yaxes(type="category", autorange="reversed", showgrid=False)
    plot.update_yaxes(title="true", col=1)
    return _shown(plot, 180 + 24 * len(names))


def importance(importances: Found) -> go.Figure:
    """For each objective its parameters; grey where chance would do as much."""
    titles = [html.escape(name) for name in importances]
    plot = make_subplots(1, len(titles), subplot_titles=titles, horizontal_spacing=0.22)
    for column, own in enumerate(importances.values(), 1):
        shown = own[:SHOWN][::-1]
        plot.add_trace(
            go.Bar(
                y=[html.escape(_label(one["path"])) for one in shown],
                x=[one["share"] for one in shown],
                orientation="h",
                marker_color=[templates.BLUE if one["is_clear"] else GREY for one in shown],
                hovertext=[
                    html.escape(f"{short(one['path'])}: the best have {one['best']}")
                    for one in shown
                ],
            ),
            1,
            column,
        )
    plot.update_xaxes(tickformat=".0%", rangemode="tozero", nticks=4)
    plot.update_yaxes(tickfont={"size": 10})
    return _shown(plot, 340)


def sensitivity(label: str, own: Found) -> go.Figure:
    """Layers by what they may become: how far the answers move."""
    layers = own["layers"]
    values = sorted({option["value"] for options in layers.values() for option in options})
    losses = {n: {o["value"]: o["loss"] for o in options} for n, options in layers.items()}
    if len({tuple(sorted(known)) for known in losses.values()}) > 1:
        # Layers of different widths have no columns in common: from the most to the least.
        return _lines(label, own)
    z = [[losses[name][value] for value in values] for name in layers]
    plot = go.Figure(
        go.Heatmap(
            z=z,
            x=[f"{value:g}" for value in values],
            y=[html.escape(name) for name in layers],
            text=[[f"{loss:.2g}" for loss in row] for row in z],
            texttemplate="%{text}",
            colorscale="Oranges",
            zmin=0,
            zmax=min(1.0, max(max(row) for row in z)) or 1.0,
            showscale=False,
        )
    )
    plot.update_layout(title=html.escape(f"{label}: {own['of']}"))
    plot.update_xaxes(type="category", title=html.escape(own["of"]))
    plot.update_yaxes(autorange="reversed")
    return _shown(plot, 150 + 30 * len(layers))


def _lines(label: str, own: Found) -> go.Figure:
    plot = go.Figure()
    for name, options in own["layers"].items():
        most = max(option["size"] for option in options)
        ordered = sorted(options, key=lambda option: option["size"])
        plot.add_scatter(
            x=[option["size"] / most for option in ordered],
            y=[option["loss"] for option in ordered],
            name=html.escape(name),
            mode="lines+markers",
        )
    plot.update_layout(title=html.escape(f"{label}: {own['of']}"), showlegend=True)
    plot.update_xaxes(title="share of the layer's size", tickformat=".0%")
    plot.update_yaxes(title="change of the answers")
    return _shown(plot, 340)


def _label(path: str) -> str:
    """A parameter's path in as many letters as an axis has room for."""
    text = short(path)
    return text if len(text) <= 26 else "…" + text[-25:]


def _colours(more_is_better: bool) -> dict[str, Any]:
    up, down = (GREEN, RED) if more_is_better else (RED, GREEN)
    return {"increasing": {"marker": {"color": up}}, "decreasing": {"marker": {"color": down}}}


def _shown(plot: go.Figure, height: int) -> go.Figure:
    plot.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 10, "r": 10, "t": 50, "b": 40},
        font={"family": templates.FONT, "size": 12, "color": templates.INK},
    )
    if plot.layout.showlegend is None:
        plot.update_layout(showlegend=False)
    plot.update_xaxes(automargin=True)
    plot.update_yaxes(automargin=True)
    return plot
