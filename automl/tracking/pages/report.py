"""The report of a search on one page: what was found, what to take, where the time went."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from automl import pareto
from automl.study import selection
from automl.study.record import TrialRecord
from automl.study.selection import Advice, Wish
from automl.tracking.pages import front as front_page
from automl.tracking.pages import parallel_coordinates, templates, time_spent
from automl.tracking.pages.findings import UNFINISHED, Findings, is_refit
from automl.tracking.pages.templates import BLUE, GREEN, GREY, LAYOUT, duration, escape
from automl.tracking.pages.time_spent import KINDS

COLORS = dict(zip(KINDS, (BLUE, "#7b61a8", "#5b8db8", "#d9a441", GREY), strict=True))
MAX_REASONS = 12


def document(findings: Findings) -> str:
    """report.html."""
    charts = {"hypervolume": hypervolume(findings), "spending": spending_chart(findings)}
    if findings.front:
        charts["parallel"] = parallel_coordinates.figure(findings)
    drawn = {name: chart.to_plotly_json() for name, chart in charts.items()}
    data = {"charts": drawn, "front": front_page.data(findings)}
    sections = (
        ("The front", front_page.section(findings)),
        ("The best model at several sizes", _sizes(findings) if findings.front else ""),
        ("What the measured models are made of", parallel_coordinates.section(findings)),
        ("How the search went", '<div id="hypervolume" class="chart"></div>'),
        ("Where the computing time went", _spending(findings)),
        ("What gave no model", reasons(findings)),
        ("How it was searched", _settings(findings)),
    )
    body = "".join(
        f"<section><h2>{heading}</h2>{content}</section>"
        for heading, content in sections
        if content
    )
    return templates.document(f"{findings.name}: report", _top(findings) + body, data)


def _top(findings: Findings) -> str:
    sentences = "".join(f"<p>{sentence}</p>" for sentence in summary(findings))
    take = f"<pre>{escape(findings.advice.command)}</pre>" if findings.advice else ""
    return f'<h1>{escape(findings.name)}</h1><div class="summary">{sentences}{take}</div>'


def summary(findings: Findings) -> list[str]:
    """What one should know after a minute, as sentences of HTML."""
    found = findings.summary
    counts = ", ".join(f"{n} {status}" for status, n in found.trials.items() if n)
    refits = sum(is_refit(record) for record in findings.records)
    sentences = [
        f"{'The search took' if findings.is_over else 'The search is not over; so far it took'} "
        f"{duration(found.seconds)} on {_count(found.slots, 'slot')}. "
        f"Its trials: {counts or 'none has ended'}."
        + f" {_count(refits, 'model')} of the front {'was' if refits == 1 else 'were'} "
        "trained again at the end." * bool(refits)
    ]
    if findings.advice is None:
        return [*sentences, "No trial is complete yet, so there is no model to take."]
    spans = [_span(name, findings.front) for name in findings.settings.objectives]
    return [
        *sentences,
        _reuse(findings),
        f"<b>{_count(len(findings.front), 'model')}</b> {_are(len(findings.front))} on the front: "
        f"{escape(', '.join(spans))}. Hypervolume {found.hypervolume:.4f}.",
        _advice(findings, findings.advice),
    ]


def _advice(findings: Findings, advice: Advice) -> str:
    choice = advice.record
    names = dict.fromkeys((*findings.settings.objectives, "size_bytes"))
    figures = ", ".join(_said(name, choice.values[name]) for name in names)
    sentence = f"<b>Take trial {choice.trial_id}</b> ({advice.why}): {escape(figures)}."
    quality = findings.quality
    best = selection.preferred(findings.front, [Wish(quality)], findings.settings.objectives)
    if best.trial_id == choice.trial_id:
        return f"{sentence} None of the front is better in {quality}."
    others = ", ".join(_said(name, best.values[name]) for name in names if name != quality)
    return (
        f"{sentence} The best {quality} on the front is "
        f"{templates.figure(quality, best.values[quality])}: trial {best.trial_id}, "
        f"{escape(others)}."
    )


def _reuse(findings: Findings) -> str:
    records = findings.records
    saved, used = time_spent.saved(records), findings.summary.compute_seconds
    reused = sum(bool(r.result and r.result.reused_steps) for r in records)
    return (
        f"The trials computed for {duration(used)}; {_count(reused, 'trial')} took steps from "
        f"others instead of repeating them, which saved {duration(saved)}."
    )


def _sizes(findings: Findings) -> str:
    """A table of `at_sizes`; of sizes with the same model the least."""
    names, rows = findings.settings.objectives, []
    known: set[str] = set()
    for limit, record in at_sizes(findings):
        if record.trial_id not in known:
            known.add(record.trial_id)
            figures = [
                templates.number(templates.figure(name, record.values[name])) for name in names
            ]
            where = f'--best {findings.quality} --where "size_bytes<={limit:.0f}"'
            model = templates.text(record.params.get("model", ""))
            take = templates.code(f"automl export {findings.name} {where} --out out")
            rows.append(
                [templates.number(f"{limit:,.0f}"), templates.text(record.trial_id), *figures]
            )
            rows[-1] += [model, take]
    return templates.table(["bytes, at most", "trial", *names, "model", "to take it"], rows)


def at_sizes(findings: Findings) -> list[tuple[float, TrialRecord]]:
    """Round numbers of bytes, and the best model of the front that is no larger."""
    if not findings.front:
        return []
    sizes = [record.values["size_bytes"] for record in findings.front]
    limits = templates.round_numbers(min(sizes), 10 * max(sizes), wanted=8)
    # The first number that lets all in is the last of use.
    limits = limits[: 1 + next(i for i, limit in enumerate(limits) if limit >= max(sizes))]
    wishes, objectives = [Wish(findings.quality)], findings.settings.objectives
    fitting = ([r for r in findings.front if r.values["size_bytes"] <= n] for n in limits)
    return [(n, selection.preferred(r, wishes, objectives)) for n, r in zip(limits, fitting)]


def hypervolume(findings: Findings) -> Any:
    """The front's hypervolume against time and against trials that ended."""
    chart = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    volumes = [volume for _, volume in findings.course]
    minutes = [second / 60 for second, _ in findings.course]
    numbers = [float(count) for count in range(1, len(volumes) + 1)]
    line = {"shape": "hv", "color": BLUE, "width": 2}
    for place, x in enumerate((minutes, numbers), 1):
        chart.add_scatter(
            x=[0, *x],
            y=[0.0, *volumes],
            mode="lines",
            line=line,
            row=1,
            col=place,
            showlegend=False,
        )
    chart.update_layout(LAYOUT, template="none", height=320)
    chart.update_xaxes(templates.AXIS, rangemode="tozero")
    chart.update_yaxes(templates.AXIS, rangemode="tozero")
    chart.update_xaxes(title={**templates.TITLE, "text": "minutes of searching"}, row=1, col=1)
    chart.update_xaxes(
        title={**templates.TITLE, "text": "trials and refits that ended"}, row=1, col=2
    )
    chart.update_yaxes(title={**templates.TITLE, "text": "hypervolume"}, row=1, col=1)
    return chart


def spending_chart(findings: Findings) -> Any:
    """Seconds of each stage as bars, and what reuse saved of them."""
    stages = time_spent.spent(findings.records, findings.compresses)
    total = sum(stages.values())
    chart = go.Figure()
    for kind in KINDS:
        own = {label: seconds for (of, label), seconds in stages.items() if of == kind}
        if own:
            chart.add_bar(
                y=list(own),
                x=list(own.values()),
                orientation="h",
                name=kind,
                marker={"color": COLORS[kind]},
                text=[f"{duration(s)}, {100 * s / max(total, 1e-9):.0f} %" for s in own.values()],
            )
    saved = time_spent.saved(findings.records)
    pattern = {"shape": "/", "fgcolor": GREEN, "bgcolor": "white"}
    chart.add_bar(
        y=["saved by reuse"],
        x=[saved],
        orientation="h",
        name="not spent",
        marker={"color": GREEN, "pattern": pattern, "line": {"color": GREEN, "width": 1}},
        text=[duration(saved)],
    )
    bars = len(stages) + 1
    chart.update_traces(textposition="outside", cliponaxis=False, hoverinfo="skip")
    chart.update_layout(LAYOUT, template="none", height=110 + 30 * bars, barmode="overlay")
    chart.update_layout(
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"}, margin={"r": 120}
    )
    chart.update_xaxes(templates.AXIS, title={**templates.TITLE, "text": "seconds"})
    chart.update_yaxes(templates.AXIS, autorange="reversed", showgrid=False)
    return chart


def _spending(findings: Findings) -> str:
    stages = time_spent.spent(findings.records, findings.compresses)
    kinds: dict[str, float] = dict.fromkeys(KINDS, 0.0)
    for (kind, _), seconds in stages.items():
        kinds[kind] += seconds
    total = max(sum(stages.values()), 1e-9)
    shares = [f"{kind} {100 * seconds / total:.0f} %" for kind, seconds in kinds.items() if seconds]
    return (
        f'<p>{escape(", ".join(shares))}.</p><div id="spending" class="chart"></div>'
        if stages
        else ""
    )


def reasons(findings: Findings) -> str:
    """Why trials ended without a model: those whose reasons differ in numbers alone are alike."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for record in findings.records:
        assert record.result is not None
        if record.result.status in UNFINISHED:
            reason = record.result.reason.strip().partition("\n")[0] or "no reason was told"
            alike = record.result.status, re.sub(r"\d+(\.\d+)?", "0", reason)
            counts[alike] += 1
            examples.setdefault(alike, reason)
    screened = findings.summary.trials["screened"]
    rows = [
        [templates.text(alike[0]), templates.number(str(count)), templates.text(examples[alike])]
        for alike, count in counts.most_common(MAX_REASONS)
    ]
    if more := sum(counts.values()) - sum(n for _, n in counts.most_common(MAX_REASONS)):
        rows.append(
            [templates.text("…"), templates.number(str(more)), templates.text("for other reasons")]
        )
    if screened:
        why = "refused before any work: its least bytes break a constraint or cannot join the front"
        rows.append(
            [templates.text("screened"), templates.number(str(screened)), templates.text(why)]
        )
    if not rows:
        return "<p>Every trial gave one.</p>"
    return templates.table(["status", "trials", "reason, for one of them"], rows)


def _settings(findings: Findings) -> str:
    settings = findings.settings
    goals = [f"{name} ({pareto.DIRECTIONS[name]})" for name in settings.objectives]
    about = {
        "space": settings.space_name,
        "objectives": ", ".join(goals),
        "constraints": " and ".join(settings.constraints),
        "fixed": ", ".join(f"{path}={value}" for path, value in settings.fixed.items()),
        "seed": settings.seed,
        "sampler": settings.sampler,
        "learned from": settings.warm_start,
    }
    rows = [
        [templates.text(name), templates.text(value)]
        for name, value in about.items()
        if value != ""
    ]
    return templates.table([], rows)


def _span(name: str, front: Sequence[TrialRecord]) -> str:
    values = [record.values[name] for record in front]
    return f"{name} {templates.figure(name, min(values))} to {templates.figure(name, max(values))}"


def _said(name: str, value: float) -> str:
    return f"{name} {templates.figure(name, value)}"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
