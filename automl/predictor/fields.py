"""Single values of a table, as the loader of tables reads them: numbers and categories."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal

from automl.data.number_texts import MISSING, MISSING_NUMBERS, number_as_text, plain_number
from automl.data.reading import check_unicode
from automl.errors import UserError

TRUTHS = {"true": 1.0, "false": 0.0}


class NoNumber(str):
    """A text that is no number in its column: the 3.5 of a column with decimal commas."""


def number(
    value: object, column: str, read: Callable[[str], float | None] = plain_number
) -> float | None:
    """The number of a value, NaN of a missing one, None of a text that is no number.

    `read` makes a number of a text. Raises UserError, naming the column, on a value of another
    kind.
    """
    if isinstance(value, NoNumber):
        return None
    if isinstance(value, str):
        text = unquoted(value.strip())
        if text in MISSING or text.lower() in MISSING_NUMBERS:
            return math.nan
        return TRUTHS[text.lower()] if text.lower() in TRUTHS else read(text)
    if _is_missing(value):
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise _unfit(column, value, "a number") from None


def category(value: object, column: str) -> str | None:
    """The text of a value, without blanks around it; None of a missing one.

    Raises UserError on a value of another kind.
    """
    if isinstance(value, str):
        return value.strip()
    if _is_missing(value):
        return None
    plain = value.item() if hasattr(value, "item") else value
    if isinstance(plain, bool):
        return str(plain).lower()
    if isinstance(plain, int | Decimal):
        return str(plain)
    if isinstance(plain, float):
        return number_as_text(plain)
    raise _unfit(column, value, "a text")


def code(text: str, column: str, codes: dict[str, float]) -> float | None:
    """The code of a category's text, NaN of a missing one, None of an unknown one."""
    for spelled in (text, unquoted(text)):
        if spelled in codes:
            return codes[spelled]
        if spelled in MISSING:
            return math.nan
    check_unicode(text, f"column {column!r}")
    return None


def unquoted(text: str) -> str:
    """A text without quotes that blanks before them made part of it."""
    is_quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1].strip() if is_quoted else text


def _is_missing(value: object) -> bool:
    """Tell a value that stands for nothing: None, NaN, and pandas' NA and NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | Decimal) and value != value


def _unfit(column: str, value: object, wanted: str) -> UserError:
    return UserError(
        f"column {column!r} holds a value of the type {type(value).__name__}; give {wanted}"
    )
