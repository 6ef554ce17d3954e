"""Colours, layout and round numbers that the charts of all pages share."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from automl import pareto

INK, MUTED, RULE = "#1f2933", "#616e7c", "#e4e7eb"
BLUE, GREY, PALE, AMBER, GREEN = "#0b6e99", "#9aa5b1", "#cbd2d9", "#d9822b", "#3a8f5c"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
LAYOUT: dict[str, object] = {
    "font": {"family": FONT, "size": 13, "color": INK},
    "paper_bgcolor": "white",
    "plot_bgcolor": "white",
    "margin": {"l": 70, "r": 30, "t": 20, "b": 60},
    "hoverlabel": {
        "align": "left",
        "bgcolor": "white",
        "bordercolor": GREY,
        "font": {"family": FONT, "size": 12, "color": INK},
    },
}
"""What all charts share."""
AXIS = {"gridcolor": RULE, "linecolor": PALE, "zeroline": False, "automargin": True}
TITLE = {"font": {"size": 13, "color": MUTED}, "standoff": 10}

ROUND = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7), [i / 10 for i in range(10, 100, 2)])
"""Digits that make a number round, from few to many."""


def is_log(name: str, values: Sequence[float]) -> bool:
    """True of a figure whose axis is in logarithms: one of files, of which no value is 0."""
    return pareto.is_of_file(name) and min(values, default=0) > 0


def round_numbers(low: float, high: float, wanted: int = 5) -> list[float]:
    """About `wanted` round numbers from low to high, both above 0, even in the logarithm."""
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    found = [
        [
            n
            for power in powers
            for digit in digits
            if low <= (n := float(f"{digit}e{power}")) <= high
        ]
        for digits in ROUND
    ]
    return min(found, key=lambda numbers: abs(len(numbers) - wanted))


def escape(text: object) -> str:
    """Text for a label: plotly reads a little HTML in all of them."""
    return html.escape(str(text))
