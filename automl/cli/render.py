"""What commands print on standard output: tables, or one JSON object."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from automl.tracking.pages import formats

if TYPE_CHECKING:
    from rich.console import Console

    from automl.explain.findings import Explanation

ROWS, COLUMNS, MARGIN = 12, 60, 10
"""Of a scatter; the margin is for what stands on its left."""
BELOW = 0.5
"""It goes below the front by this share of what the front spans."""
FRONT, DOMINATED = ("●", "bold cyan"), ("·", "dim")


def front(summary: dict[str, Any]) -> None:
    """The members of a front, best in the first objective first."""
    if not summary["front"]:
        print("the front is empty: no trial is complete yet")
        return
    names = list(summary["objectives"])
    rows = [
        {
            "trial": member["trial_id"],
            **{name: member["measurement"][name] for name in names},
            **_test_quality(member),
            "model": member["params"].get("model", ""),
        }
        for member in summary["front"]
    ]
    goal = summary["objectives"][names[0]]
    rows.sort(key=lambda row: row[names[0]], reverse=goal == "max")
    table(rows)


def _test_quality(member: dict[str, Any]) -> dict[str, float]:
    """The first metric of a member's task on the test rows, where they were asked for."""
    if "test" not in member:
        return {}
    name = member["test"]["quality"][0]
    return {f"test_{name}": member["test"]["test"][name]}


def scatter(summary: dict[str, Any], measured: list[dict[str, float]]) -> None:
    """The front and what it dominates, quality over the logarithm of bytes, in characters."""
    from rich.text import Text

    front = [member["measurement"] for member in summary["front"]]
    if not front:
        return
    console = _console()
    columns = max(20, min(COLUMNS, console.width - MARGIN - 2))
    name = next((n for n in summary["objectives"] if n != "size_bytes"), "size_bytes")
    sign = 1 if summary["objectives"].get(name) == "max" else -1
    heights = [sign * figures[name] for figures in front]
    top, least = max(heights), min(heights)
    bottom = least - BELOW * ((top - least) or abs(top) or 1.0)
    shown = [figures for figures in measured if sign * figures[name] >= bottom]
    sizes = [figures["size_bytes"] for figures in shown]
    marks: dict[tuple[int, int], tuple[str, str]] = {}
    for mark, group in ((DOMINATED, shown), (FRONT, front)):
        for figures in group:
            row = round((top - sign * figures[name]) / (top - bottom) * (ROWS - 1))
            place = _log_place(figures["size_bytes"], min(sizes), max(sizes))
            marks[row, round(place * (columns - 1))] = mark
    labels = {0: f"{sign * top:.4g}", ROWS - 1: f"{sign * bottom:.4g}"}
    plot = Text(f"{'':{MARGIN}} {name}\n")
    for row in range(ROWS):
        plot.append(f"{labels.get(row, ''):>{MARGIN}} │")
        plot.append_tokens(marks.get((row, column), (" ", "")) for column in range(columns))
        plot.append("\n")
    first, last = f"{min(sizes):,.0f}", f"{max(sizes):,.0f} size_bytes"
    plot.append(f"{'':{MARGIN}} └{'─' * columns}\n{'':{MARGIN + 2}}{first}")
    plot.append(f"{last:>{columns - len(first)}}\n{'':{MARGIN + 2}}")
    plot.append_tokens([FRONT, (" front  ", ""), DOMINATED, (" dominated", "")])
    if below := len(measured) - len(shown):
        plot.append(f"; {below} lower ones are left out")
    console.print(plot)


def _log_place(value: float, low: float, high: float) -> float:
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


def table(rows: Sequence[Mapping[str, object]]) -> None:
    """Rows of the same keys, aligned; wrapped only where the terminal is narrow."""
    from rich import box
    from rich.table import Table

    if not rows:
        return
    columns = Table(box=box.SIMPLE_HEAD)
    for name, value in rows[0].items():
        is_number = isinstance(value, int | float)
        columns.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        columns.add_row(*(_cell(name, value) for name, value in row.items()))
    _console().print(columns)


def _console() -> Console:
    """Standard output; what is not a terminal is as wide as need be, and has no colours."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000
    return console


def _cell(name: str, value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items())
    from automl.pareto import DIRECTIONS

    figure = name.removeprefix("test_")
    if figure in DIRECTIONS and isinstance(value, int | float):
        return formats.figure(figure, value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def as_json(value: object) -> None:
    print(json.dumps(value))
