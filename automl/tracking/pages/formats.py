"""Formats of figures, times and parameters, the same on every page and on the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping

POWERS_BELOW = 1e-4
"""Below this, Python writes three digits as a power of ten."""


def figure(name: str, value: float) -> str:
    """A measured figure: whole bytes, three digits of a time and of what is near 0, as an error in
    small units, four decimals of the others. A long time keeps its whole milliseconds."""
    is_long_time = name.endswith("_ms") and abs(value) >= 100
    if name.endswith("_bytes") or name == "macs" or is_long_time:
        return f"{value:,.0f}"
    is_near_zero = 0 < abs(value) < 0.01
    return f"{value:.3g}" if name.endswith("_ms") or is_near_zero else f"{value:.4f}"


def difference(name: str, value: float) -> str:
    """A difference of two figures, with its sign."""
    return "+" * (value >= 0) + figure(name, value)


def uncertain(name: str, value: float, uncertainty: Mapping[str, float]) -> str:
    """A measured figure with its standard error, where it has one, and the digits of that:
    "0.9721 ± 0.009", "3.21e-06 ± 2e-08"."""
    error, shown = uncertainty.get(name, 0.0), figure(name, value)
    if error <= 0:
        return shown
    power = math.floor(math.log10(error))
    if 0 < abs(value) < POWERS_BELOW:
        digits = max(0, math.floor(math.log10(abs(value))) - power)
        return f"{value:.{digits}e} ± {error:.0e}"
    decimals = max(0, -power)
    if len(shown.partition(".")[2]) < decimals:
        mark = "," * ("," in shown)
        shown = f"{value:{mark}.{decimals}f}"
    return f"{shown} ± {error:.{decimals}f}"


def with_unit(name: str, value: float) -> str:
    return figure(name, value) + " ms" * name.endswith("_ms")


def named(name: str, value: float) -> str:
    """A figure in a sentence: "accuracy 0.9876", "2,341 bytes", "latency 0.0069 ms"."""
    if name == "size_bytes":
        return f"{figure(name, value)} bytes"
    if name == "compressed_bytes":
        return f"{figure(name, value)} bytes compressed"
    return f"{name.removesuffix('_ms')} {with_unit(name, value)}"


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 trial", "2 trials"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def short(path: str) -> str:
    """A parameter's path without the prefix that all steps share."""
    return path.removeprefix("recipe.")


def parameter(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def parameters(params: Mapping[str, object]) -> str:
    """Parameters in one line."""
    return ", ".join(f"{short(path)} = {parameter(value)}" for path, value in params.items())
