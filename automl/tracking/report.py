"""The front as pages and tables: front.html, front.png, front.csv, front.json."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from matplotlib.figure import Figure

from automl.pareto import DIRECTIONS
from automl.study.study import Study, TrialRecord

LOGARITHMIC = ("size_bytes", "latency_ms", "load_ms")


def write(study: Study, folder: Path) -> list[Path]:
    """Write every page of a study's front into a folder; returns the files."""
    records = _measured(study)
    front = study.front(records).members
    objectives = study.settings.objectives
    files = [folder / f"front.{kind}" for kind in ("html", "png", "csv", "json")]
    write_page(study, files[0])
    _picture(objectives, records, front).savefig(files[1], dpi=120)
    files[2].write_text(table(front), newline="")
    files[3].write_text(json.dumps(study.summary(), indent=1))
    return files


def write_page(study: Study, file: Path) -> None:
    """The interactive front, whole in one file: no network is needed to view it."""
    records = _measured(study)
    page = figure(study.name, study.settings.objectives, records, study.front(records).members)
    page.write_html(file, include_plotlyjs=True, full_html=True)


def _measured(study: Study) -> list[TrialRecord]:
    """Every trial and finish that has figures."""
    known = [*study.records(), *study.finishes()]
    return [record for record in known if record.result and record.result.measurement]


def figure(
    title: str,
    objectives: Sequence[str],
    records: Sequence[TrialRecord],
    front: Sequence[TrialRecord],
) -> Any:
    """Quality over bytes (or the first two objectives), hover for the parameters."""
    y, x, *rest = objectives if len(objectives) > 1 else (*objectives, "size_bytes")
    members = {record.number for record in front}
    others = [record for record in records if record.number not in members]
    ordered = sorted(front, key=lambda record: record.values[x])
    plot = go.Figure()
    plot.add_scatter(
        x=[r.values[x] for r in others],
        y=[r.values[y] for r in others],
        mode="markers",
        name="dominated",
        marker={"color": "#c4c4c4", "size": 8},
        text=[_hover(r) for r in others],
        hoverinfo="text",
    )
    marker: dict[str, Any] = {"size": 13, "line": {"width": 1, "color": "#333333"}}
    if rest:
        shade = [r.values[rest[0]] for r in ordered]
        marker |= {"color": shade, "colorscale": "Viridis", "colorbar": {"title": rest[0]}}
    plot.add_scatter(
        x=[r.values[x] for r in ordered],
        y=[r.values[y] for r in ordered],
        mode="markers",
        name="Pareto front",
        marker=marker,
        text=[_hover(r) for r in ordered],
        hoverinfo="text",
    )
    plot.update_layout(
        title=f"{html.escape(title)}: {len(front)} models on the front, {len(records)} measured",
        xaxis={"title": x, "type": "log" if x in LOGARITHMIC else "linear"},
        yaxis={"title": y, "type": "log" if y in LOGARITHMIC else "linear"},
        template="plotly_white",
        legend={"orientation": "h", "y": 1.02, "x": 1, "xanchor": "right", "yanchor": "bottom"},
    )
    return plot


def table(front: Sequence[TrialRecord]) -> str:
    """The front as CSV: one row per model, figures first, then parameters."""
    figures = [n for n in DIRECTIONS if not front or n in front[0].values]
    params = sorted({name for record in front for name in record.params})
    rows = [
        [r.trial_id, *(r.values[n] for n in figures), *(r.params.get(n, "") for n in params)]
        for r in front
    ]
    text = io.StringIO()
    csv.writer(text).writerows([["trial_id", *figures, *params], *rows])
    return text.getvalue()


def _picture(
    objectives: Sequence[str], records: Sequence[TrialRecord], front: Sequence[TrialRecord]
) -> Figure:
    y, x, *_ = objectives if len(objectives) > 1 else (*objectives, "size_bytes")
    picture = Figure(figsize=(8, 5), layout="constrained")
    axes = picture.subplots()
    for group, color, label in ((records, "#c4c4c4", "measured"), (front, "#0b6e99", "front")):
        values = [record.values for record in group]
        axes.scatter([v[x] for v in values], [v[y] for v in values], color=color, label=label)
    is_log = x in LOGARITHMIC and len(records) > 0
    axes.set(xlabel=x, ylabel=y, xscale="log" if is_log else "linear")
    axes.grid(alpha=0.3)
    axes.legend()
    return picture


def _hover(record: TrialRecord) -> str:
    figures = [f"{name}: {record.values[name]:.6g}" for name in DIRECTIONS if name in record.values]
    params = [f"{html.escape(k)} = {html.escape(_short(v))}" for k, v in record.params.items()]
    return "<br>".join([f"<b>trial {record.trial_id}</b>", *figures, *params])


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
