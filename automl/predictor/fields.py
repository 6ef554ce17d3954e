"""Single values of a table, as the loader of tables reads them: numbers and categories."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from automl.errors import UserError

MISSING = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
        *("1.#QNAN", "N/A", "NA", "NULL", "NaN", "n/a", "nan", "null"),
    )
)
"""Texts that stand for a missing value."""
TRUTHS = {"true": 1.0, "True": 1.0, "TRUE": 1.0, "false": 0.0, "False": 0.0, "FALSE": 0.0}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.I)


def number(value: object, column: str) -> float | None:
    """The number of a value, NaN of a missing one, None of a text that is no number.

    Raises UserError, naming the column, on a value of another kind.
    """
    if isinstance(value, str):
        text = value.strip(" \t")
        if text in MISSING:
            return math.nan
        if text in TRUTHS:
            return TRUTHS[text]
        return float(text) if NUMBER.fullmatch(text) else None
    if _is_missing(value):
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise _unfit(column, value, "a number") from None


def category(value: object, column: str) -> str | None:
    """The text of a value, None of a missing one. Raises UserError on a value of another kind."""
    if isinstance(value, str):
        return value
    if _is_missing(value):
        return None
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, bool):
        return str(plain).lower()
    if isinstance(plain, int | Decimal):
        return str(plain)
    if isinstance(plain, float):
        return str(int(plain)) if plain.is_integer() and abs(plain) < 1e16 else str(plain)
    raise _unfit(column, value, "a text")


def _is_missing(value: object) -> bool:
    """Tell a value that stands for nothing: None, NaN, and pandas' NA and NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | Decimal) and value != value


def _unfit(column: str, value: object, wanted: str) -> UserError:
    return UserError(
        f"column {column!r} holds a value of the type {type(value).__name__}; give {wanted}"
    )
