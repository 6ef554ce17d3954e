"""A page whole in one file: its words, tables and charts, and plotly.js to draw them."""

from __future__ import annotations

import base64
import gzip
import html
import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from plotly.offline import get_plotlyjs

INK, MUTED, RULE = "#1f2933", "#616e7c", "#e4e7eb"
BLUE, GREY, PALE, AMBER, GREEN = "#0b6e99", "#9aa5b1", "#cbd2d9", "#d9822b", "#3a8f5c"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
LAYOUT: dict[str, Any] = {
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


def document(title: str, body: str, data: Mapping[str, Any]) -> str:
    """A page. `data["charts"]` maps ids of the body's elements to plotly figures; what else is
    in it is for the page's own scripts. `title` is plain text, `body` is HTML."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_asset('page.css')}</style></head>\n"
        f"<body><main>\n{body}\n</main>\n"
        f'<script type="application/json" id="data">{_json(data)}</script>\n'
        f'<script type="text/plain" id="plotly">{_plotly()}</script>\n'
        f"<script>{_asset('front.js')}{_asset('page.js')}</script></body></html>\n"
    )


def escape(text: object) -> str:
    return html.escape(str(text))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table of cells made by `text`, `number` or `code`."""
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    above = f"<thead><tr>{names}</tr></thead>" if head else ""
    return f"<table>{above}<tbody>{lines}</tbody></table>"


def text(value: object) -> str:
    return f"<td>{escape(value)}</td>"


def number(value: str) -> str:
    return f'<td class="number">{escape(value)}</td>'


def code(command: str) -> str:
    return f"<td><code>{escape(command)}</code></td>"


def figure(name: str, value: float) -> str:
    """A measured figure, in as many digits as are of use."""
    if name == "size_bytes":
        return f"{value:,.0f}"
    return f"{value:.4g}" if name.endswith("_ms") else f"{value:.4f}"


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def round_numbers(low: float, high: float, wanted: int = 5) -> list[float]:
    """About so many round numbers from low to high, both above 0, even in the logarithm."""
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


@cache
def _asset(name: str) -> str:
    return (resources.files("automl.tracking.pages") / name).read_text()


@cache
def _plotly() -> str:
    """plotly.js, packed to a third: pages are sent by mail, and to a tracking server."""
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()


def _json(data: Mapping[str, Any]) -> str:
    """JSON that nothing in it can end the script element of."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
