"""A search as HTML for a notebook: its counts, its front as a table, and every trial as a plot."""

from __future__ import annotations

import html

from automl.study.study import Study
from automl.study.summary import SearchSummary
from automl.tracking.pages import files, formats

HEIGHT = 780
"""Pixels of the page with the plot and its controls."""


def whole(study: Study) -> str:
    """The table, and below it the page of the front, in a frame of its own."""
    page = html.escape(files.interactive_front(study), quote=True)
    frame = f'<iframe srcdoc="{page}" style="width:100%; height:{HEIGHT}px; border:0"></iframe>'
    return f"{table(study.summary())}{frame}" if study.front().members else table(study.summary())


def table(summary: SearchSummary) -> str:
    """The counts of trials and the members of the front, best in the first objective first."""
    counts = ", ".join(f"{count} {status}" for status, count in summary.trials.items() if count)
    first, better = next(iter(summary.objectives.items()))
    members = sorted(summary.front, key=lambda m: m.measurement[first], reverse=better == "max")
    rows = [
        [
            member.trial_id,
            *(formats.figure(name, member.measurement[name]) for name in summary.objectives),
            str(member.params.get("model", "")),
        ]
        for member in members
    ]
    head = _row("th", ["trial", *summary.objectives, "model"])
    body = "".join(_row("td", row) for row in rows)
    line = f"{counts or 'no trial yet'}; hypervolume {summary.hypervolume:.4f}"
    return (
        f"<p><b>{html.escape(summary.search)}</b>: {line}</p>"
        f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"
    )


def _row(tag: str, cells: list[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells)}</tr>"
