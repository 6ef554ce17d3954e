"""Numbers and missing values as texts spell them, with what commas mean among them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from automl.errors import UserError

MISSING = (
    *("", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "#N/A N/A", "null", "NULL", "Null"),
    *("nan", "NaN", "NAN", "-nan", "-NaN", "NaT", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)
"""Fields that are missing values in a column of any kind."""
MISSING_NUMBERS = (
    *("?", "-", "--", ".", "*", "none", "missing", "unknown", "na", "n.a.", "tbd"),
    *("#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!"),
)
"""Texts, in small letters, that are missing values among numbers."""
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.I)
DECIMAL_COMMA = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d*),\d+(e[+-]?\d+)?", re.ASCII | re.I)
GROUPED_BY_COMMAS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", re.ASCII)
GROUPED_BY_DOTS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+", re.ASCII)
FORMS = (NUMBER, DECIMAL_COMMA, GROUPED_BY_COMMAS)
DECIMAL = "a comma is the decimal mark"


def commas(
    name: str, texts: Iterable[str], delimiter: str
) -> tuple[Callable[[str], float | None], str]:
    """The way to make a number of a text, by what commas mean in a column, and that in words."""
    with_commas = [text for text in texts if "," in text]
    decimal = [text for text in with_commas if DECIMAL_COMMA.fullmatch(text)]
    grouped = [text for text in with_commas if GROUPED_BY_COMMAS.fullmatch(text)]
    if not decimal and not grouped:
        return plain_number, ""
    only_decimal, only_grouped = set(decimal) - set(grouped), set(grouped) - set(decimal)
    if only_decimal and only_grouped:
        return plain_number, ""
    if only_grouped:
        text = min(only_grouped)
        return number_in_groups, f"a comma groups thousands, {text} is {number_in_groups(text):g}"
    if only_decimal or delimiter == ";":
        text = min(only_decimal or decimal)
        return number_after_comma, f"{DECIMAL}, {text} is {number_after_comma(text):g}"
    raise UserError(
        f"column {name!r} holds numbers such as {decimal[0]!r}, in which the comma may be a "
        "decimal mark or group thousands; write them without commas"
    )


def plain_number(text: str) -> float | None:
    """A number without commas; None of any other text."""
    return float(text) if NUMBER.fullmatch(text) else None


def number_in_groups(text: str) -> float | None:
    """A number in which commas may group thousands; None of any other text."""
    if GROUPED_BY_COMMAS.fullmatch(text):
        return float(text.replace(",", ""))
    return plain_number(text)


def number_after_comma(text: str) -> float | None:
    """A number whose decimal mark is a comma; a dot can only group thousands."""
    if DECIMAL_COMMA.fullmatch(text):
        return float(text.replace(".", "").replace(",", "."))
    if GROUPED_BY_DOTS.fullmatch(text):
        return float(text.replace(".", ""))
    return None if "." in text else plain_number(text)
