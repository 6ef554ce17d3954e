"""Numbers and missing values as texts spell them, with what commas mean among them."""

from __future__ import annotations

import math
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
HAS_MARK = r"[.,]\d|\d[.,]"
"""What a number holds that has a comma or a dot; texts such as "n.a." do not."""
FORMS = (NUMBER, DECIMAL_COMMA, GROUPED_BY_COMMAS)
NO_COMMAS, DECIMAL, GROUPS = "", "decimal", "groups"
"""What commas mean in a column of numbers."""
IN_WORDS = {DECIMAL: "a comma is the decimal mark", GROUPS: "a comma groups thousands"}


def meaning_of_commas(
    name: str, texts: Iterable[str], delimiter: str, known: str = NO_COMMAS
) -> tuple[str, str]:
    """Tell what commas mean in a column, and the same in words, "" where they make no numbers.

    `known` is what they meant in the rows of training, and counts where these texts leave it open.
    Raises UserError where that is not known either.
    """
    with_commas = [text for text in texts if "," in text]
    decimal = {text for text in with_commas if DECIMAL_COMMA.fullmatch(text)}
    grouped = {text for text in with_commas if GROUPED_BY_COMMAS.fullmatch(text)}
    only_decimal, only_grouped = decimal - grouped, grouped - decimal
    if not decimal | grouped or (only_decimal and only_grouped):
        return NO_COMMAS, ""
    if only_decimal or only_grouped:
        meaning = DECIMAL if only_decimal else GROUPS
    elif known or delimiter == ";":
        meaning = known or DECIMAL
    else:
        raise UserError(
            f"column {name!r} holds numbers such as {min(decimal)!r}, in which the comma may be a "
            "decimal mark or group thousands; write them without commas"
        )
    text = min(only_decimal or only_grouped or decimal)
    return meaning, f"{IN_WORDS[meaning]}, {text} is {NUMBER_OF[meaning](text):g}"


def dots_may_group(name: str, text: str) -> str:
    """The sentence on a column of numbers like 1.234 in a file with decimal commas."""
    return (
        f"column {name!r} holds numbers such as {text}, whose dot may group thousands, as commas "
        "are decimal marks elsewhere; write them without"
    )


def plain_number(text: str) -> float | None:
    """A number without commas; None of any other text."""
    return float(text) if NUMBER.fullmatch(text) else None


def is_fraction(text: str) -> bool:
    """True of the text of a finite number that is not whole, with a dot or a comma: 5.1 or 5,1."""
    number = number_after_comma(text) if DECIMAL_COMMA.fullmatch(text) else plain_number(text)
    return number is not None and math.isfinite(number) and not number.is_integer()


def number_as_text(number: float) -> str:
    """The text of a number that stands for a category: 1.0 is 1, as where nothing was missing."""
    is_short = number.is_integer() and abs(number) < 1e16
    return str(int(number)) if is_short else str(number)


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


NUMBER_OF: dict[str, Callable[[str], float | None]] = {
    NO_COMMAS: plain_number,
    DECIMAL: number_after_comma,
    GROUPS: number_in_groups,
}
"""The way to make a number of a text, by what commas mean in its column."""
