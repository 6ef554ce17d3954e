"""Files of a search's pages and tables: report.html, front.html, front.png, .csv and .json."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from automl.errors import UserError, words
from automl.loading import uncollected
from automl.space import space_file
from automl.space.exploring import explore
from automl.study.study import Study
from automl.tracking.pages import charts, findings, report
from automl.tracking.pages import front as front_page
from automl.tracking.pages.findings import FRONT, Findings
from automl.tracking.pages.front_table import table

Write: TypeAlias = Callable[[Study, Path], object]
"""Writes the pages of a search into a folder."""


@uncollected()
def write(study: Study, folder: Path) -> list[Path]:
    """Write every page and table of a search into a folder; returns the files.

    Raises ExceptionGroup of what some of them raised, when all others are written.
    """
    found = _read(study)
    pages: dict[str, Callable[[], str]] = {
        "report.html": lambda: report.document(found),
        "front.html": lambda: front_page.document(found),
        "front.csv": lambda: table(found.front),
        "front.json": lambda: json.dumps(found.summary.as_json(), indent=1),
    }
    raised: list[Exception] = []
    for name, content in pages.items():
        try:
            (folder / name).write_text(content(), encoding="utf-8", newline="")
        except Exception as error:
            raised.append(error)
            error.add_note(f"so there is no {name}")
    _picture(found).savefig(folder / "front.png", dpi=120)
    if raised:
        raise ExceptionGroup("; ".join(map(words, raised)), raised)
    return [folder / name for name in (*pages, "front.png")]


@uncollected()
def write_page(study: Study, file: Path) -> None:
    """The report, whole in one file: no network is needed to view it."""
    file.write_text(report.document(_read(study)), encoding="utf-8")


def plot(study: Study, x: str, y: str) -> go.Figure:
    """Every measured trial by two figures. Raises UserError on a figure that none has."""
    return front_page.plot(_read(study), x, y)


def interactive_front(study: Study) -> str:
    """The page front.html, whole in one text."""
    return front_page.document(_read(study))


def front_with(study: Study, yours: Mapping[str, Mapping[str, float]]) -> Figure:
    """The picture of a search's front with files of the user's in it: their figures by name."""
    return _picture(_read(study), yours)


def _read(study: Study) -> Findings:
    return findings.read(study, _compresses(study))


def _compresses(study: Study) -> dict[str, bool]:
    """Tell by its label whether each step of a search's space is a compression."""
    settings = study.settings
    # A space whose own imports or data are gone still has a report.
    with contextlib.suppress(UserError):
        space = space_file.load(
            study.space_text, settings.fixed, settings.space_name, settings.folder
        )
        steps = [step for config in explore(space).configs for step in config.recipe]
        return {step.label: step.compresses for step in steps}
    return {}


def _picture(found: Findings, yours: Mapping[str, Mapping[str, float]] | None = None) -> Figure:
    y, x, *_ = (*found.settings.objectives, "size_bytes")
    measured = [record for record in found.records if record.result and record.result.measurement]
    choice = [found.advice.record] if found.advice else []
    picture = Figure(figsize=(8, 5), layout="constrained")
    axes = picture.subplots()
    for group, color, label, marker, size in (
        (measured, charts.PALE, "measured", "o", 30),
        (found.front, charts.BLUE, FRONT, "o", 45),
        (choice, "#f2b705", "take", "*", 200),
    ):
        values = [record.values for record in group]
        edge = charts.INK if marker == "*" else "none"
        axes.scatter(
            *([v[x] for v in values], [v[y] for v in values]),
            color=color,
            label=label,
            marker=marker,
            s=size,
            edgecolors=edge,
        )
    for name, own in (yours or {}).items():
        axes.scatter(own[x], own[y], label=name, marker="D", s=70, edgecolors=charts.INK)
    sizes = [own[x] for own in (*(r.values for r in measured), *(yours or {}).values())]
    axes.set(xlabel=x, ylabel=y)
    if charts.is_log(x, sizes):
        axes.set_xscale("log")
        if ticks := front_page.ticks(sizes):
            axes.set_xticks(list(ticks), list(ticks.values()))
            axes.minorticks_off()
    axes.grid(alpha=0.3)
    _legend(axes)
    return picture


def _legend(axes: Axes) -> None:
    """Tell the names of all that is drawn, letter by letter: matplotlib leaves out, else, those
    that begin with "_", and sets what stands between two "$" as a formula."""
    drawn = axes.collections
    for text in axes.legend(drawn, [str(own.get_label()) for own in drawn]).get_texts():
        text.set_parse_math(False)
