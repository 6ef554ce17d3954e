"""explain.html: an explanation as one page, whole in itself, that can be mailed."""

from __future__ import annotations

from pathlib import Path

from automl.explain import plots
from automl.explain.findings import Explanation
from automl.measure.predictions import ClassComparison, NumberComparison
from automl.tracking.pages import rendering
from automl.tracking.pages.formats import short
from automl.trial import layer_outcomes


def write(explanation: Explanation, file: Path) -> None:
    file.write_text(document(explanation), encoding="utf-8")


def document(explanation: Explanation) -> str:
    """The page of an explanation."""
    answers, comparison = explanation.answers, explanation.answers.comparison
    if isinstance(comparison, ClassComparison):
        columns, rows = _class_rates(comparison)
    else:
        columns, rows = _errors(comparison)
    pairs = [
        (name, short(pair.first), short(pair.second), f"{pair.share:.1%}", pair.num_trials)
        for name, own in explanation.parameters.pairs.items()
        for pair in own
        if pair.is_clear
    ]
    return rendering.page(
        "explain.html.j2",
        plots.charts(explanation),
        title=f"{explanation.search}: trial {explanation.model.trial_id} explained",
        found=explanation,
        columns=columns,
        rows=rows,
        cards=list(zip(comparison.changed, answers.previews)),
        pairs=pairs,
        layers=layer_outcomes.table(explanation.outcomes),
    )


Table = tuple[list[str], list[list[object]]]
"""Names of columns, and rows."""


def _class_rates(comparison: ClassComparison) -> Table:
    """Precision and recall of each class, before and after compression if there was any."""
    times = [time for time, _ in comparison.confusion.items()]
    rates = [(rate, time) for rate in ("precision", "recall") for time in times]
    names = [f"{rate} {time} compression" if len(times) > 1 else rate for rate, time in rates]
    rows: list[list[object]] = []
    for own in comparison.classes:
        values = [getattr(getattr(own.rates, time), rate) for rate, time in rates]
        cells = ["–" if value is None else f"{value:.3f}" for value in values]
        rows.append([own.name, own.num_rows, *cells])
    return ["class", "rows", *names], rows


def _errors(comparison: NumberComparison) -> Table:
    """The error of each output of a regression."""
    columns = ["output", *(f"rmse {time}" for time, _ in comparison.rmse.items())]
    rows: list[list[object]] = [
        [i, *(f"{value:.5g}" for _, value in own.items())]
        for i, own in enumerate(comparison.output_rmse)
    ]
    return columns, rows
