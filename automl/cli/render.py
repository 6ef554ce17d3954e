"""Everything that commands print on standard output: tables, plots, or one JSON object."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from automl import pareto
from automl.cli import streams
from automl.tracking.pages import formats

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from automl.engine.export_figures import TestFigures
    from automl.explain.findings import Explanation
    from automl.measure.file_times import TimedFiles
    from automl.study.overview import Overview
    from automl.study.record import TrialRecord
    from automl.trial.layer_outcomes import Outcomes

Figures = Mapping[str, float]
ROWS, COLUMNS, MARGIN = 12, 60, 10
"""Size of a scatter in characters; its labels stand in the margin on the left."""
BELOW = 0.5
"""A scatter goes below the front by this share of what the front spans."""
WIDEST = 1000
"""Characters in a line where there is no terminal to fit into."""
FRONT, DOMINATED = ("●", "bold cyan"), ("·", "dim")


def search(found: Overview, *, as_json: bool, tested: Sequence[TestFigures] = ()) -> None:
    """A search's front and the model to take, or its summary as JSON.

    `tested` are the figures of the front's members on the test rows, where they were measured.
    """
    from automl.study import selection

    if as_json:
        summary = found.summary()
        printed = summary.as_json()
        if tested:
            pairs = zip(summary.front, tested, strict=True)
            printed["front"] = [{**vars(m), "test": figures.as_json()} for m, figures in pairs]
        streams.write_object(printed)
        return
    members, objectives = found.front().members, found.settings.objectives
    if not members:
        print(f"the front is empty: {found.why_empty()}")
    front(objectives, members, tested)
    scatter(
        objectives,
        [record.values for record in members],
        [record.values for record in found.measured()],
    )
    advice = selection.advise(found, members)
    if advice is not None:
        print(f"take {advice.record.trial_id}, {advice.why}: {advice.command}")


def front(
    objectives: Sequence[str], members: Sequence[TrialRecord], tested: Sequence[TestFigures]
) -> None:
    """The members of a front, best in the first objective first."""
    first = objectives[0]
    pairs = sorted(
        zip_longest(members, tested),
        key=lambda pair: pair[0].values[first],
        reverse=pareto.DIRECTIONS[first] == "max",
    )
    rows = [
        {
            "trial": record.trial_id,
            **{name: _measured(record, name) for name in objectives},
            **_test_quality(figures),
            "model": record.params.get("model", ""),
            "shortened": record.result.shortened if record.result else "",
        }
        for record, figures in pairs
    ]
    empty = {name for name in ("model", "shortened") if not any(row[name] for row in rows)}
    table([{name: row[name] for name in row if name not in empty} for row in rows])


def _measured(record: TrialRecord, name: str) -> Measured:
    return Measured(name, record.values[name], record.uncertainty)


def _test_quality(figures: TestFigures | None) -> Figures:
    """The first metric of a member's task on the test rows, where they were measured."""
    if figures is None:
        return {}
    metric = next(iter(figures.intervals))
    return {f"test_{metric}": figures.test[metric]}


def scatter(
    objectives: Sequence[str], members: Sequence[Figures], measured: Sequence[Figures]
) -> None:
    """The front and what it dominates, quality over the logarithm of bytes, in characters.

    `members` are the figures of the front's models, `measured` those of all.
    """
    if not members:
        return
    name = next((n for n in objectives if n != "size_bytes"), "size_bytes")
    sign = 1 if pareto.DIRECTIONS[name] == "max" else -1
    heights = [sign * figures[name] for figures in members]
    top, least = max(heights), min(heights)
    bottom = least - BELOW * ((top - least) or abs(top) or 1.0)
    shown = [figures for figures in measured if sign * figures[name] >= bottom]
    sizes = [figures["size_bytes"] for figures in shown]
    least_bytes, most_bytes = min(sizes), max(sizes)
    console = _console()
    columns = max(20, min(COLUMNS, console.width - MARGIN - 2))

    def cell(figures: Figures) -> tuple[int, int]:
        row = round((top - sign * figures[name]) / (top - bottom) * (ROWS - 1))
        share = _log_share(figures["size_bytes"], least_bytes, most_bytes)
        return row, round(share * (columns - 1))

    marks = {cell(figures): DOMINATED for figures in shown}
    marks |= {cell(figures): FRONT for figures in members}
    labels = {0: f"{sign * top:.4g}", ROWS - 1: f"{sign * bottom:.4g}"}
    plot = _grid(name, marks, labels, columns)
    plot.append_text(_axis(least_bytes, most_bytes, columns))
    if num_lower := len(measured) - len(shown):
        plot.append(f"; {num_lower} lower ones are left out")
    console.print(plot)


def _grid(
    title: str,
    marks: Mapping[tuple[int, int], tuple[str, str]],
    labels: Mapping[int, str],
    columns: int,
) -> Text:
    """The rows of a scatter: marks by (row, column), and labels on the left by row."""
    from rich.text import Text

    grid = Text(f"{'':{MARGIN}} {title}\n")
    for row in range(ROWS):
        grid.append(f"{labels.get(row, ''):>{MARGIN}} │")
        grid.append_tokens(marks.get((row, column), (" ", "")) for column in range(columns))
        grid.append("\n")
    return grid


def _axis(least: float, most: float, columns: int) -> Text:
    """The line below a scatter, with the sizes at its ends, and the legend."""
    from rich.text import Text

    first, last = f"{least:,.0f}", f"{most:,.0f} size_bytes"
    axis = Text(f"{'':{MARGIN}} └{'─' * columns}\n{'':{MARGIN + 2}}{first}")
    axis.append(f"{last:>{columns - len(first)}}\n{'':{MARGIN + 2}}")
    axis.append_tokens([FRONT, (" front  ", ""), DOMINATED, (" dominated", "")])
    return axis


def _log_share(value: float, low: float, high: float) -> float:
    """The place of a value between two others by its logarithm, 0 to 1."""
    return math.log(value / low) / (math.log(high / low) or 1.0)


def explanation(found: Explanation) -> None:
    """The findings in sentences, then the chosen model's recipe without each technique."""
    print("\n".join(f"- {sentence}" for sentence in found.findings))
    names = [found.quality, "size_bytes", "latency_ms"]
    recipes = {"the model": found.ablation.whole}
    recipes |= {f"without {outcome.name}": outcome for outcome in found.ablation.without}
    table(
        [
            {"recipe": name, **{n: outcome.figures.get(n, outcome.reason) for n in names}}
            for name, outcome in recipes.items()
        ]
    )
    layers(found.outcomes)


def layers(outcomes: Outcomes) -> None:
    """A row for each of the largest tensors of weights: what became of it, or why it stays."""
    from automl.trial import layer_outcomes

    table(
        [
            {
                "tensor": row.tensor,
                "weights": row.num_weights,
                "share": row.share,
                "what became of it": row.became,
            }
            for row in layer_outcomes.table(outcomes, most=20)
        ]
    )


@dataclass(frozen=True)
class Measured:
    """A cell of a table: a figure with its standard error, where it is not exact."""

    name: str
    value: float
    uncertainty: Figures

    def __str__(self) -> str:
        return formats.uncertain(self.name, self.value, self.uncertainty)


def table(rows: Sequence[Mapping[str, object]]) -> None:
    """Rows of the same keys, aligned; a row is a block of lines where figures would be cut."""
    from rich import box
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return
    columns, figures = Table(box=box.SIMPLE_HEAD), [k for k, v in rows[0].items() if _is_number(v)]
    for name in rows[0]:
        if name in figures:
            columns.add_column(Text(name), justify="right", no_wrap=True)
        else:
            columns.add_column(Text(name), overflow="fold")
    cells = [{name: _cell(name, value) for name, value in row.items()} for row in rows]
    for row in cells:
        columns.add_row(*map(Text, row.values()))
    console = _console()
    wide = console.options.update(width=WIDEST)
    if figures and Measurement.get(console, wide, columns).minimum > console.width:
        for row in cells:
            lines = "".join(f"{name}: {value}\n" for name, value in row.items())
            console.print(Text(lines), overflow="fold")
    else:
        console.print(columns)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Measured)


def _console() -> Console:
    """Standard output; without a terminal it has no colours and is as wide as any line."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDEST
    return console


def _cell(name: str, value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items())
    from automl.pareto import DIRECTIONS

    figure = name.removeprefix("test_")
    if figure in DIRECTIONS and isinstance(value, int | float):
        return formats.figure(figure, value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def timed_files(timed: TimedFiles) -> None:
    """The times of files: a row for each, with the ratio to the first, and what to know of them."""
    first = timed.files[0]
    table(
        [
            {
                "file": one.file,
                "size_bytes": one.size_bytes,
                "load_ms": Measured("load_ms", one.load_ms, one.uncertainty),
                "latency_ms": Measured("latency_ms", one.latency_ms, one.uncertainty),
                "over_first": f"{one.latency_ms / first.latency_ms:.3f}",
            }
            for one in timed.files
        ]
    )
    for note in timed.notes:
        print(f"note: {note}")


def as_json(value: object) -> None:
    """Print one JSON object and nothing else."""
    streams.write_object(value)
