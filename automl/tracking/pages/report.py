"""report.html: what a search found on one page, what to take, and where the time went."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from automl.conditions import Wish
from automl.study import selection
from automl.study.record import TrialRecord
from automl.tracking.pages import charts, front, parallel_coordinates, rendering, slots, time_spent
from automl.tracking.pages.charts import BLUE, GREEN, GREY, LAYOUT
from automl.tracking.pages.findings import UNFINISHED, Findings, is_refit
from automl.tracking.pages.formats import duration, uncertain
from automl.tracking.pages.time_spent import KINDS, Stage

COLORS = dict(zip(KINDS, (BLUE, "#7b61a8", "#5b8db8", "#d9a441", GREY), strict=True))
MAX_REASONS = 12


@dataclass(frozen=True)
class BestAtSize:
    """The best model of at most `limit` bytes."""

    limit: float
    record: TrialRecord


@dataclass(frozen=True)
class Reason:
    """Trials that ended without a model for the same reason, and its words in an `example`."""

    status: str
    count: int
    example: str


def document(findings: Findings) -> str:
    records, members = findings.records, findings.front
    stages = time_spent.stages(records, findings.compresses)
    drawn = {"hypervolume": hypervolume(findings)}
    if stages:
        drawn["spending"] = spending(stages, time_spent.saved(records))
    if findings.stays:
        drawn["slots"] = slots.chart(findings)
    if members:
        drawn["parallel"] = parallel_coordinates.chart(findings)
    counts = findings.summary.trials.items()
    return rendering.page(
        "report.html.j2",
        drawn,
        title=f"{findings.name}: report",
        findings=findings,
        front=front.script_data(findings),
        counts=", ".join(f"{n} {status}" for status, n in counts if n),
        num_refits=sum(map(is_refit, records)),
        num_reusing=sum(bool(r.result and r.result.reused_steps) for r in records),
        saved=time_spent.saved(records),
        best=_best(findings) if members else None,
        figures=lambda record, names: ", ".join(
            f"{name} {uncertain(name, record.values[name], record.uncertainty)}" for name in names
        ),
        sizes=at_sizes(findings),
        num_hidden=parallel_coordinates.num_hidden(findings),
        shares=_shares(stages),
        busy=slots.busy_share(findings.stays) if findings.stays else 0.0,
        reasons=reasons(findings),
        settings=_settings(findings),
    )


def _best(findings: Findings, limit: float = math.inf) -> TrialRecord:
    """The model of at most `limit` bytes that `--best` takes."""
    front, wishes = findings.whole_front, [Wish(findings.quality)]
    fitting = [r for r in front.unbeaten if r.values["size_bytes"] <= limit]
    return selection.most_wanted(front, fitting, wishes, findings.settings)


def at_sizes(findings: Findings) -> list[BestAtSize]:
    """The best model for round numbers of bytes; of limits with the same model the least."""
    if not findings.front:
        return []
    sizes = [record.values["size_bytes"] for record in findings.whole_front.unbeaten]
    limits = charts.round_numbers(min(sizes), 10 * max(sizes), wanted=8)
    # The first number that lets all in is the last of use.
    limits = limits[: 1 + next(i for i, limit in enumerate(limits) if limit >= max(sizes))]
    found: dict[str, BestAtSize] = {}
    for limit in limits:
        best = _best(findings, limit)
        found.setdefault(best.trial_id, BestAtSize(limit, best))
    return list(found.values())


def hypervolume(findings: Findings) -> go.Figure:
    """The front's hypervolume against time and against trials that ended."""
    chart = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    volumes = [volume for _, volume in findings.course]
    minutes = [second / 60 for second, _ in findings.course]
    numbers = [float(count) for count in range(1, len(volumes) + 1)]
    line = {"shape": "hv", "color": BLUE, "width": 2}
    titles = ("minutes of searching", "trials and refits that ended")
    chart.update_layout(LAYOUT, template="none", height=320, showlegend=False)
    chart.update_xaxes(charts.AXIS, rangemode="tozero")
    chart.update_yaxes(charts.AXIS, rangemode="tozero")
    for column, (x, title) in enumerate(zip((minutes, numbers), titles), 1):
        y = [0.0, *volumes]
        chart.add_scatter(x=[0, *x], y=y, mode="lines", line=line, row=1, col=column)
        chart.update_xaxes(title={**charts.TITLE, "text": title}, row=1, col=column)
    chart.update_yaxes(title={**charts.TITLE, "text": "hypervolume"}, row=1, col=1)
    return chart


def spending(stages: list[Stage], saved: float) -> go.Figure:
    """Seconds of each stage as bars, and the seconds that reuse saved."""
    total = max(sum(stage.seconds for stage in stages), 1e-9)
    chart = go.Figure()
    for kind in KINDS:
        own = [stage for stage in stages if stage.kind == kind]
        if own:
            chart.add_bar(
                y=[stage.label for stage in own],
                x=[stage.seconds for stage in own],
                orientation="h",
                name=kind,
                marker={"color": COLORS[kind]},
                text=[f"{duration(s.seconds)}, {100 * s.seconds / total:.0f} %" for s in own],
            )
    pattern = {"shape": "/", "fgcolor": GREEN, "bgcolor": "white"}
    chart.add_bar(
        y=["saved by reuse"],
        x=[saved],
        orientation="h",
        name="not spent",
        marker={"color": GREEN, "pattern": pattern, "line": {"color": GREEN, "width": 1}},
        text=[duration(saved)],
    )
    height = 110 + 30 * (len(stages) + 1)
    chart.update_traces(textposition="outside", cliponaxis=False, hoverinfo="skip")
    chart.update_layout(LAYOUT, template="none", height=height, barmode="overlay")
    chart.update_layout(
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}, margin={"r": 120}
    )
    chart.update_xaxes(charts.AXIS, title={**charts.TITLE, "text": "seconds"})
    chart.update_yaxes(charts.AXIS, autorange="reversed", showgrid=False)
    return chart


def _shares(stages: list[Stage]) -> dict[str, float]:
    """The share of all computing time that each kind of work took."""
    total = max(sum(stage.seconds for stage in stages), 1e-9)
    shares = {kind: sum(s.seconds for s in stages if s.kind == kind) / total for kind in KINDS}
    return {kind: share for kind, share in shares.items() if share}


def reasons(findings: Findings) -> list[Reason]:
    """Reasons why trials ended without a model; those that differ in numbers alone are alike."""
    examples: dict[tuple[str, str], list[str]] = {}
    for record in findings.records:
        assert record.result is not None
        if record.result.status in UNFINISHED:
            reason = record.result.reason.strip().partition("\n")[0] or "no reason was told"
            alike = record.result.status, re.sub(r"\d+(\.\d+)?", "0", reason)
            examples.setdefault(alike, []).append(reason)
    found = [Reason(status, len(own), own[0]) for (status, _), own in examples.items()]
    found.sort(key=lambda reason: -reason.count)
    shown = found[:MAX_REASONS]
    if rest := sum(reason.count for reason in found[MAX_REASONS:]):
        shown.append(Reason("…", rest, "for other reasons"))
    if screened := findings.summary.trials["screened"]:
        why = "refused before any work: its least bytes break a constraint or cannot join the front"
        shown.append(Reason("screened", screened, why))
    return shown


def _settings(findings: Findings) -> list[tuple[str, object]]:
    settings = findings.settings
    goals = [f"{name} ({settings.directions[name]})" for name in settings.objectives]
    rows = {
        "space": settings.space_name,
        "objectives": ", ".join(goals),
        "constraints": " and ".join(findings.constraints),
        "goal": findings.goal,
        "fixed": ", ".join(f"{path}={value}" for path, value in settings.fixed.items()),
        "seed": settings.seed,
        "sampler": settings.sampler,
        "learned from": settings.warm_start,
        "runtimes": ", ".join(settings.by_name),
        "latency measured on": settings.measured_on,
    }
    return [(name, value) for name, value in rows.items() if value != ""]
