"""Facts of a table's columns: what each holds, and why nothing can be learned from some."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyarrow import compute

from automl.data.cells import NUMERIC, Cells, lone_number
from automl.data.table import MAX_CATEGORIES

NAMES_OF_IDS = re.compile(r"(.*[_\s-])?(id|uuid|guid|index|nr|no|number|key)", re.IGNORECASE)
CAMEL_ID = re.compile(r".*[a-z](Id|ID)")
PROSE_WORDS = 3
"""A text of at least so many words, seldom repeated, is free text."""


@dataclass(frozen=True)
class ColumnFacts:
    """A column as it was read: `kind` is one of the table's, `known` rows have a value.

    `words` is the mean number of words of a text, `low` and `high` are the least and the
    greatest of numbers, `lone` is the text of a value beside which other rows hold nothing.
    """

    name: str
    kind: str
    rows: int
    known: int
    different: int
    words: float = 0.0
    low: float = 0.0
    high: float = 0.0
    is_whole: bool = False
    is_counting: bool = False
    lone: str = ""

    def is_id(self) -> bool:
        """True of a name or number that each row has its own of."""
        if self.different < max(self.known, 10):
            return False
        if self.kind == "texts":
            return self.words < PROSE_WORDS
        named = NAMES_OF_IDS.fullmatch(self.name) or CAMEL_ID.fullmatch(self.name)
        return self.is_whole and (self.is_counting or bool(named))

    def is_free_text(self) -> bool:
        """True of texts that are no categories: many, or long and seldom repeated."""
        if self.kind != "texts":
            return False
        seldom = self.different > self.known / 2
        return seldom and (self.different > MAX_CATEGORIES or self.words >= PROSE_WORDS)

    def is_of_classes(self) -> bool:
        """True of names that rows share."""
        names = self.kind in ("texts", "booleans")
        is_learned = self.different > 1 and not self.is_free_text() and not self.why_left_out()
        return names and is_learned

    def why_left_out(self) -> str:
        """The reason why nothing can be learned from the column; "" where something can."""
        if self.different == 0:
            return "it has no values"
        if self.different == 1 and self.known == self.rows:
            return "it has the same value in every row"
        if self.known == 1:
            return "it has a value in one row alone"
        if self.lone and self.kind in NUMERIC:
            return f"it {lone_number(self.lone)}"
        if self.kind not in (*NUMERIC, "texts"):
            return f"it holds {self.kind}"
        if self.is_id():
            return f"an id: {self.different:,} different values in {self.rows:,} rows"
        if self.is_free_text():
            return f"free text: {self.different:,} different in {self.rows:,} rows"
        if self.kind == "texts" and self.different > MAX_CATEGORIES:
            return f"{self.different:,} different texts, more than {MAX_CATEGORIES} categories"
        return ""


def facts_of(name: str, column: Cells) -> ColumnFacts:
    """The facts of a column as it was read."""
    known = column.values.filter(pa.array(~column.missing()))
    # Arrow counts no lists and no structs: that there are values is enough to tell what they are.
    different = min(2, len(known))
    if column.kind in (*NUMERIC, "texts"):
        different = len(compute.unique(known))
    counts = (len(column.values), len(known), different)
    lone = column.lone_value() if different == 1 else ""
    if column.kind == "texts":
        spaces = compute.mean(compute.count_substring_regex(known, r"\s+")).as_py()
        return ColumnFacts(name, column.kind, *counts, words=1 + (spaces or 0), lone=lone)
    numbers = known.cast(pa.float64(), safe=False).to_numpy() if column.kind in NUMERIC else known
    if column.kind not in NUMERIC or not len(numbers):
        return ColumnFacts(name, column.kind, *counts)
    return ColumnFacts(
        *(name, column.kind, *counts),
        low=float(numbers.min()),
        high=float(numbers.max()),
        is_whole=bool((numbers == np.round(numbers)).all()),
        is_counting=bool((np.diff(numbers) == 1).all()),
        lone=lone,
    )
