"""The charts of explain.html."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from automl.explain.findings import Explanation
from automl.measure.predictions import ClassComparison
from automl.pareto import DIRECTIONS
from automl.recipe import LayerSensitivity
from automl.study.importance import Importance
from automl.tracking.pages.charts import BLUE, FONT, INK, escape
from automl.tracking.pages.formats import difference, figure, short

GREY, GREEN, RED = "#c4c9cf", "#12a150", "#d92d20"
MAX_PARAMETERS = 8
"""A chart of importances has room for so many."""
MAX_CLASSES = 30
"""A table of more has cells that nobody can read."""


def charts(explanation: Explanation) -> dict[str, go.Figure]:
    """Every chart that there is something to show in, by the id of its place on the page."""
    drawn = {"waterfall": waterfall(explanation), "gains": gains(explanation)}
    comparison = explanation.answers.comparison
    if isinstance(comparison, ClassComparison) and len(comparison.names) <= MAX_CLASSES:
        drawn["confusion"] = confusion(comparison)
    if explanation.parameters.alone:
        drawn["importance"] = importance(explanation.parameters.alone)
    for i, (label, own) in enumerate(explanation.sensitivity.items()):
        drawn[f"sensitivity-{i}"] = sensitivity(label, own)
    return {name: chart for name, chart in drawn.items() if chart is not None}


def waterfall(explanation: Explanation) -> go.Figure | None:
    """Quality and bytes from the first step of the recipe to the last."""
    steps = [outcome for outcome in explanation.ablation.after_steps if outcome.figures]
    if len(steps) < 2 or not explanation.ablation.whole.figures:
        return None
    name = explanation.quality
    plot = make_subplots(1, 2, subplot_titles=(f"{name} after each step", "bytes after each step"))
    for column, key in enumerate((name, "size_bytes"), 1):
        values = [outcome.figures[key] for outcome in steps]
        changes = [values[0], *(b - a for a, b in zip(values, values[1:]))]
        plot.add_trace(
            go.Waterfall(
                x=[*(escape(outcome.name) for outcome in steps), "the model"],
                y=[*changes, values[-1]],
                measure=["absolute", *["relative"] * (len(values) - 1), "total"],
                text=[figure(key, value) for value in (*values, values[-1])],
                textposition="outside",
                connector={"line": {"color": GREY}},
                totals={"marker": {"color": BLUE}},
                **_colours(DIRECTIONS[key] == "max"),
            ),
            1,
            column,
        )
    values = [outcome.figures[name] for outcome in steps]
    room = max(values) - min(values) or abs(values[0]) * 0.02 or 1.0
    plot.update_yaxes(range=[min(values) - room, max(values) + room / 4], row=1, col=1)
    sizes = [outcome.figures["size_bytes"] for outcome in steps]
    plot.update_yaxes(range=[0, 1.15 * max(sizes)], row=1, col=2)
    return _styled(plot, 340)


def gains(explanation: Explanation) -> go.Figure | None:
    """Quality and bytes that each technique gained, against the recipe without it."""
    name, whole = explanation.quality, explanation.ablation.whole.figures
    outcomes = [outcome for outcome in explanation.ablation.without if outcome.figures][::-1]
    if not outcomes or not whole:
        return None
    plot = make_subplots(
        1,
        2,
        shared_yaxes=True,
        subplot_titles=(f"{name} bought by each technique", "bytes saved by each technique"),
    )
    for column, key in enumerate((name, "size_bytes"), 1):
        sign = 1 if DIRECTIONS[key] == "max" else -1
        gained = [sign * (whole[key] - outcome.figures[key]) for outcome in outcomes]
        plot.add_trace(
            go.Bar(
                y=[escape(outcome.name) for outcome in outcomes],
                x=gained,
                orientation="h",
                marker_color=[GREEN if gain > 0 else RED for gain in gained],
                text=[difference(key, gain) for gain in gained],
                textposition="outside",
            ),
            1,
            column,
        )
        low, high = min(0.0, *gained), max(0.0, *gained)
        room = 0.25 * (high - low or 1.0)
        plot.update_xaxes(range=[low - room * (low < 0), high + room], row=1, col=column)
    plot.update_xaxes(zeroline=True, zerolinecolor="#52606d")
    return _styled(plot, 110 + 38 * len(outcomes))


def confusion(comparison: ClassComparison) -> go.Figure:
    """True against answered classes, before and after compression; the diagonal is left blank."""
    times = comparison.confusion.items()
    titles = [f"{time} compression" for time, _ in times] if len(times) > 1 else ["all answers"]
    plot = make_subplots(1, len(times), subplot_titles=titles, horizontal_spacing=0.12)
    names = [escape(name) for name in comparison.names]
    mistakes = [
        [[0 if i == j else n for j, n in enumerate(row)] for i, row in enumerate(counts)]
        for _, counts in times
    ]
    most = max((n for rows in mistakes for row in rows for n in row), default=0)
    for i, (_, counts) in enumerate(times):
        plot.add_trace(
            go.Heatmap(
                z=mistakes[i],
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
            i + 1,
        )
    plot.update_xaxes(title="answered", type="category", showgrid=False)
    plot.update_yaxes(type="category", autorange="reversed", showgrid=False)
    plot.update_yaxes(title="true", col=1)
    return _styled(plot, 180 + 24 * len(names))


def importance(by_objective: Mapping[str, Sequence[Importance]]) -> go.Figure:
    """The parameters of each objective by their share; grey where chance would do as much."""
    titles = [escape(name) for name in by_objective]
    plot = make_subplots(1, len(titles), subplot_titles=titles, horizontal_spacing=0.22)
    for column, own in enumerate(by_objective.values(), 1):
        shown = own[:MAX_PARAMETERS][::-1]
        plot.add_trace(
            go.Bar(
                y=[escape(_label(one.path)) for one in shown],
                x=[one.share for one in shown],
                orientation="h",
                marker_color=[BLUE if one.is_clear else GREY for one in shown],
                hovertext=[escape(f"{short(one.path)}: the best have {one.best}") for one in shown],
            ),
            1,
            column,
        )
    plot.update_xaxes(tickformat=".0%", rangemode="tozero", nticks=4)
    plot.update_yaxes(tickfont={"size": 10})
    return _styled(plot, 340)


def sensitivity(label: str, own: LayerSensitivity) -> go.Figure:
    """Layers by their options: how far the answers move."""
    values = sorted({option.value for options in own.layers.values() for option in options})
    losses = {
        name: {option.value: option.loss for option in options}
        for name, options in own.layers.items()
    }
    if len({tuple(sorted(known)) for known in losses.values()}) > 1:
        # Layers of different widths have no columns in common: from the most to the least.
        return _lines(label, own)
    z = [[losses[name][value] for value in values] for name in own.layers]
    plot = go.Figure(
        go.Heatmap(
            z=z,
            x=[f"{value:g}" for value in values],
            y=[escape(name) for name in own.layers],
            text=[[f"{loss:.2g}" for loss in row] for row in z],
            texttemplate="%{text}",
            colorscale="Oranges",
            zmin=0,
            zmax=min(1.0, max(max(row) for row in z)) or 1.0,
            showscale=False,
        )
    )
    plot.update_layout(title=escape(f"{label}: {own.of}"))
    plot.update_xaxes(type="category", title=escape(own.of))
    plot.update_yaxes(autorange="reversed")
    return _styled(plot, 150 + 30 * len(own.layers))


def _lines(label: str, own: LayerSensitivity) -> go.Figure:
    plot = go.Figure()
    for name, options in own.layers.items():
        most = max(option.size for option in options)
        ordered = sorted(options, key=lambda option: option.size)
        plot.add_scatter(
            x=[option.size / most for option in ordered],
            y=[option.loss for option in ordered],
            name=escape(name),
            mode="lines+markers",
        )
    plot.update_layout(title=escape(f"{label}: {own.of}"), showlegend=True)
    plot.update_xaxes(title="share of the layer's size", tickformat=".0%")
    plot.update_yaxes(title="change of the answers")
    return _styled(plot, 340)


def _label(path: str) -> str:
    """A parameter's path in as many letters as an axis has room for."""
    text = short(path)
    return text if len(text) <= 26 else "…" + text[-25:]


def _colours(more_is_better: bool) -> dict[str, object]:
    up, down = (GREEN, RED) if more_is_better else (RED, GREEN)
    return {"increasing": {"marker": {"color": up}}, "decreasing": {"marker": {"color": down}}}


def _styled(plot: go.Figure, height: int) -> go.Figure:
    plot.update_layout(
        template="plotly_white",
        height=height,
        margin={"l": 10, "r": 10, "t": 50, "b": 40},
        font={"family": FONT, "size": 12, "color": INK},
    )
    if plot.layout.showlegend is None:
        plot.update_layout(showlegend=False)
    plot.update_xaxes(automargin=True)
    plot.update_yaxes(automargin=True)
    return plot
