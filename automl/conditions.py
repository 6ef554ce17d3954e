"""Conditions on figures and wishes for a model, in the words of --until, --where and --prefer."""

from __future__ import annotations

import math
import operator
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from automl.errors import UserError, unknown
from automl.pareto import DIRECTIONS, Directions, Values

COMPARE = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
WITHIN = "within"
FIGURE = r"[^\W\d][\w-]*/\w+|[^\W\d]\w*"
"""A figure's name, which may stand behind that of a runtime."""
NUMBER = r"\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?"
HAIR = 1 + 1e-9
"""A tolerance is this much wider: 0.901 - 0.059 lies above 0.842."""
EXAMPLE = "accuracy>=0.97 and size_bytes<=20000"


class Limit(NamedTuple):
    """A condition as plain numbers: a figure, "<=", ">=", "<" or ">", and the bound."""

    figure: str
    comparison: str
    bound: float

    def holds(self, values: Values) -> bool:
        """Tell whether measured values keep the limit; a figure that was not measured does not."""
        return self.figure in values and COMPARE[self.comparison](values[self.figure], self.bound)

    def excess(self, values: Values) -> float:
        """The amount by which a figure is beyond the bound, less than 0 within; a huge one where
        it was not measured."""
        beyond = values.get(self.figure, math.nan) - self.bound
        signed = beyond if self.comparison in ("<=", "<") else -beyond
        return sys.float_info.max if math.isnan(signed) else signed


@dataclass(frozen=True)
class Condition:
    """A condition on one figure: by a number, or (`of_reference`) by the reference's figure.

    `comparison` is "<=", ">=", "<", ">" or "within": no worse than the reference by more than the
    number, or (`is_percent`) than that share of the reference's figure. `better` is the way in
    which that figure gets better, "max" or "min".
    """

    figure: str
    comparison: str
    number: float
    is_percent: bool = False
    of_reference: bool = False
    better: str = "max"

    def __str__(self) -> str:
        number = f"{self.number:.12g}{'%' * self.is_percent}{' of reference' * self.of_reference}"
        return f"{self.figure} {self.comparison} {number}"

    def limit(self, reference: Mapping[str, float]) -> Limit | None:
        """The condition as plain numbers; None while the reference's figure is not known."""
        if not self.of_reference:
            return Limit(self.figure, self.comparison, self.number)
        if (known := reference.get(self.figure)) is None:
            return None
        if self.comparison != WITHIN:
            return Limit(self.figure, self.comparison, known * self.number / 100)
        slack = HAIR * (abs(known) * self.number / 100 if self.is_percent else self.number)
        if self.better == "max":
            return Limit(self.figure, ">=", known - slack)
        return Limit(self.figure, "<=", known + slack)

    def told(self, reference: Mapping[str, float]) -> str:
        """The condition, with the number that it stands for where it is relative."""
        limit = self.limit(reference)
        if limit is None or not self.of_reference:
            return str(self)
        return f"{self} ({limit.comparison} {limit.bound:.6g})"


@dataclass(frozen=True)
class Wish:
    """A figure to be best in, up to a tolerance: in its unit, or (`is_percent`) of the best."""

    figure: str
    tolerance: float = 0.0
    is_percent: bool = False

    def slack(self, best: float) -> float:
        return HAIR * (self.tolerance * abs(best) / 100 if self.is_percent else self.tolerance)


def parse(
    text: str, known: Collection[str] = DIRECTIONS, directions: Directions = DIRECTIONS
) -> list[Condition]:
    """Read conditions: "accuracy within 1% of reference and size_bytes<=20000".

    `directions` are those of the search that is asked; a figure that is `known` by its name alone
    is read as one of which more is better.
    Raises UserError that names the place of what cannot be read, and the figure that is nearest
    to an unknown one.
    """
    reader = _Reader(text, known, directions)
    conditions = []
    while True:
        condition = reader.condition()
        if isinstance(condition, Wish):
            wanted = "'of reference'" if condition.tolerance else "<=, >=, <, > or within"
            raise reader.error(wanted, f"{condition.figure} within 1% of reference", EXAMPLE)
        conditions.append(condition)
        if reader.is_over():
            return conditions
        if reader.take(r"and\b|,") is None:
            raise reader.error("the end, or another condition after 'and'", EXAMPLE)


def parse_any(
    text: str | None, known: Collection[str] = DIRECTIONS, directions: Directions = DIRECTIONS
) -> list[Condition]:
    """Read conditions, or none of a text that is empty or not given."""
    return parse(text, known, directions) if text and text.strip() else []


def parse_wishes(
    text: str, known: Collection[str] = DIRECTIONS, directions: Directions = DIRECTIONS
) -> list[Wish | Condition]:
    """Read wishes, the most important first: "accuracy within 0.01, size_bytes<=9000, latency_ms".

    A wish is a figure, which may have a tolerance, or a condition as `parse` reads them.
    """
    reader = _Reader(text, known, directions)
    wishes: list[Wish | Condition] = []
    while True:
        wishes.append(reader.condition())
        if isinstance(wishes[-1], Wish) and wishes[-1].figure in _figures(wishes[:-1]):
            raise UserError(f"{text!r} wishes for {wishes[-1].figure} twice; name it once")
        if reader.is_over():
            return wishes
        if reader.take(r",") is None:
            raise reader.error("the end, or another wish after a comma", "accuracy, size_bytes")


def limits(conditions: Sequence[Condition], reference: Mapping[str, float]) -> list[Limit]:
    """The conditions whose numbers are known, as plain numbers."""
    found = (condition.limit(reference) for condition in conditions)
    return [limit for limit in found if limit is not None]


def satisfies(values: Values, limits: Sequence[Limit]) -> bool:
    """True if measured values keep every limit."""
    return all(limit.holds(values) for limit in limits)


def violation(values: Values, limits: Sequence[Limit]) -> float:
    """The miss of the worst-kept limit, as a share of its bound; 0 when all are kept.

    A figure that was not measured misses by more than any.
    """
    missed = [
        abs(values.get(limit.figure, math.inf) - limit.bound) / max(abs(limit.bound), 1e-12)
        for limit in limits
        if not limit.holds(values)
    ]
    return max(missed, default=0.0)


def _figures(wishes: Sequence[Wish | Condition]) -> list[str]:
    return [wish.figure for wish in wishes if isinstance(wish, Wish)]


class _Reader:
    """Reads a text from left to right; `at` is the place of what comes next."""

    def __init__(self, text: str, known: Collection[str], directions: Directions) -> None:
        self.text, self.known, self.directions, self.at = text, known, directions, 0
        self.take("")

    def take(self, pattern: str) -> str | None:
        """Take what matches here, and the blanks after; None where nothing does."""
        match = re.compile(rf"({pattern})\s*").match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match[1]

    def is_over(self) -> bool:
        return self.at == len(self.text)

    def condition(self) -> Condition | Wish:
        """Read one condition or wish."""
        at = self.at
        figure = self.take(FIGURE)
        if figure is None:
            raise self.error("a figure's name", ", ".join(self.known))
        if figure not in self.known:
            said = unknown("figure", figure, list(self.known))
            raise UserError(f"{self.text!r}, character {at + 1}: {said}")
        if self.take(rf"{WITHIN}\b"):
            return self._within(figure)
        if (comparison := self.take("<=|>=|<|>")) is None:
            if self.is_over() or self.text[self.at] == ",":
                return Wish(figure)
            raise self.error("<=, >=, <, > or within", EXAMPLE)
        number, is_percent = self._number(may_be_negative=True)
        if not is_percent:
            return Condition(figure, comparison, number)
        if not self._of_reference():
            share = [f"{figure}{comparison}{number / 100:g}"] * (
                self.directions.get(figure) == "max"
            )
            relative = f"{figure}{comparison}{number:g}% of reference"
            raise self.error("'of reference'", relative, *share)
        return Condition(figure, comparison, number, True, True)

    def _within(self, figure: str) -> Condition | Wish:
        number, is_percent = self._number()
        if self._of_reference():
            better = self.directions.get(figure, "max")
            return Condition(figure, WITHIN, number, is_percent, True, better)
        return Wish(figure, number, is_percent)

    def _number(self, may_be_negative: bool = False) -> tuple[float, bool]:
        sign = "[-+]?" if may_be_negative else ""
        number = self.take(rf"{sign}(?:{NUMBER})(?!\w|\.)")
        if number is None:
            raise self.error("a number", "0.97")
        return float(number), self.take("%") is not None

    def _of_reference(self) -> bool:
        return self.take(r"of\s+(?:the\s+)?reference\b") is not None

    def error(self, expected: str, *examples: str) -> UserError:
        """The error of a text that goes on otherwise than expected."""
        rest = self.text[self.at :].strip()
        found = f"{rest!r} stands" if rest else "nothing stands"
        return UserError(
            f"cannot read {self.text!r}: at character {self.at + 1} {found} in place of "
            f"{expected}, e.g. {' or '.join(examples)}"
        )
