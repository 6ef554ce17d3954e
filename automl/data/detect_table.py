"""Tables, texts and series told apart, with the target and the columns to leave out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyarrow import compute

from automl.data.detected import Detected, Wanted
from automl.data.reading import existing_file
from automl.data.table import MAX_CATEGORIES, MAX_INTEGER_CLASSES, Table, kind_of, read_table
from automl.data.text import Text
from automl.errors import UserError, unknown

USUAL_TARGETS = ("target", "label", "labels", "class", "y", "outcome")
NAMES_OF_IDS = re.compile(r"(.*[_\s-])?(id|uuid|guid|index|nr|no|number|key)", re.IGNORECASE)
CAMEL_ID = re.compile(r".*[a-z](Id|ID)")
PROSE_WORDS = 3
"""A text of at least so many words, seldom repeated, is free text."""
MOST_LISTED = 30
LENGTHS = (16, 32, 64, 128, 256, 512)
LONG_SHARE = 0.95
"""Texts are cut where this share of them is shorter."""


@dataclass(frozen=True)
class ColumnFacts:
    """A column as it was read: `kind` is one of the table's, `known` rows have a value.

    `words` is the mean number of words of a text, `low` and `high` are the least and the
    greatest of numbers.
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

    def why_left_out(self) -> str:
        """The reason why nothing can be learned from the column; "" where something can."""
        if self.different == 0:
            return "it has no values"
        if self.different == 1:
            return "it has the same value in every row"
        if self.kind not in ("booleans", "integers", "numbers", "texts"):
            return f"it holds {self.kind}"
        if self.is_id():
            return f"an id: {self.different:,} different values in {self.rows:,} rows"
        if self.kind == "texts" and self.different > MAX_CATEGORIES:
            return f"{self.different:,} different texts, more than {MAX_CATEGORIES} categories"
        return ""


def detect(path: str, wanted: Wanted) -> Detected:
    """The dataset in a table of rows. Raises UserError where target or task cannot be told."""
    table = read_table(existing_file(path), {})
    facts = {name: _facts(name, table[name]) for name in table.column_names}
    if len(facts) < 2:
        raise UserError(
            f"{path} has the one column {next(iter(facts), '')!r}; "
            "a model learns one column from others, so give at least two"
        )
    target, why = _target(path, facts, wanted.target)
    _check_target(path, facts[target])
    task = _task(path, facts[target], wanted.task)
    others = [one for name, one in facts.items() if name != target]
    left_out = {one.name: one.why_left_out() for one in others if one.why_left_out()}
    texts = [one for one in others if one.is_free_text()]
    if texts and _is_about_texts(texts, len(others) - len(left_out)):
        return _text(path, target, task, max(texts, key=lambda one: one.words), table)
    if len(left_out) == len(others):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise UserError(f"{path}: nothing is left to learn {target!r} from ({reasons})")
    told = [f"{path} is a table; {target!r} is predicted ({why}), a {task}"]
    told += [f"left out: {name!r}, {reason}" for name, reason in left_out.items()]
    return Detected(Table(path, target, task=task, drop=tuple(left_out)), tuple(told))


def _target(path: str, facts: dict[str, ColumnFacts], wanted: str) -> tuple[str, str]:
    """The column to predict, and how it was told. Raises UserError where that is not clear."""
    if wanted in facts:
        return wanted, "as you say"
    if wanted:
        raise UserError(f"{path}: {unknown('column', wanted, list(facts))}")
    named = [name for name in facts if name.strip().lower() in USUAL_TARGETS]
    if len(named) == 1:
        return named[0], "by its name"
    last = list(facts.values())[-1]
    classes = [one for one in facts.values() if one.kind in ("texts", "booleans")]
    if not named and classes == [last] and not last.why_left_out() and not last.is_free_text():
        return last.name, "the last column and the only one of names"
    raise UserError(
        f"{path}: which column is to be predicted? Give --target NAME; "
        f"the columns are {_listed(list(facts))}"
    )


def _check_target(path: str, column: ColumnFacts) -> None:
    """Raise UserError on a column that cannot be predicted."""
    why = ""
    if column.is_free_text() and not column.is_id():
        why = f"holds free text, {column.different:,} different in {column.known:,} rows"
    elif column.is_id():
        why = f"is an id: each of its {column.known:,} values is there once"
    elif column.kind not in ("booleans", "integers", "numbers", "texts"):
        why = f"holds {column.kind}"
    elif column.different < 2:
        why = f"has {'the same value in every row' if column.different else 'no values'}"
    if why:
        raise UserError(
            f"{path}: the target {column.name!r} {why}; choose a column of classes or numbers"
        )


def _task(path: str, column: ColumnFacts, wanted: str) -> str:
    """The task. Raises UserError on whole numbers that may be classes or amounts."""
    if wanted:
        return wanted
    if column.kind in ("texts", "booleans") or column.different == 2:
        return "classification"
    if column.is_whole and column.different <= MAX_INTEGER_CLASSES:
        raise UserError(
            f"{path}: the target {column.name!r} holds {column.different} whole numbers, "
            f"{column.low:g} to {column.high:g}; are they classes or amounts? Give "
            "--task classification or --task regression"
        )
    return "regression"


def _is_about_texts(texts: Sequence[ColumnFacts], num_others: int) -> bool:
    """True where a text is all that is left to learn from, or is named so."""
    return not num_others or any(one.name.strip().lower() == "text" for one in texts)


def _text(path: str, target: str, task: str, column: ColumnFacts, table: pa.Table) -> Detected:
    """A dataset of texts. Raises UserError where numbers are to be predicted of them."""
    if task == "regression":
        raise UserError(
            f"{path}: only texts are left to predict {target!r} from, a column of numbers, and "
            "texts tell classes only; choose a target of classes, or add columns"
        )
    sizes = compute.binary_length(table[column.name].cast(pa.string()).drop_null()).to_numpy()
    enough = float(np.quantile(sizes, LONG_SHARE))
    length = next((size for size in LENGTHS if size >= enough), LENGTHS[-1])
    others = [name for name in table.column_names if name not in (target, column.name)]
    told = [f"{path} is texts, in the column {column.name!r}; {target!r} is predicted, classes"]
    told += [f"left out: {_listed(others)}, beside the text"] if others else []
    longer = (sizes > length).mean()
    told += [f"texts are cut to {length} bytes, {longer:.0%} of them are longer"]
    return Detected(Text(path, length, column.name, target), tuple(told))


def _facts(name: str, column: pa.ChunkedArray) -> ColumnFacts:
    known = column.drop_null()
    kind, different = kind_of(column), len(compute.unique(known))
    if kind == "texts":
        texts = compute.utf8_trim_whitespace(known.cast(pa.string()))
        spaces = compute.count_substring_regex(texts, r"\s+") if len(texts) else pa.array([0])
        words = 1 + (compute.mean(spaces).as_py() or 0)
        return ColumnFacts(name, kind, len(column), len(known), different, words)
    if kind not in ("integers", "numbers") or not len(known):
        return ColumnFacts(name, kind, len(column), len(known), different)
    numbers = known.cast(pa.float64(), safe=False).to_numpy()
    numbers = numbers[np.isfinite(numbers)]
    return ColumnFacts(
        *(name, kind, len(column), len(known), different),
        low=float(numbers.min(initial=np.inf)),
        high=float(numbers.max(initial=-np.inf)),
        is_whole=bool((numbers == np.round(numbers)).all()),
        is_counting=bool((np.diff(numbers) == 1).all()),
    )


def _listed(names: Sequence[str]) -> str:
    """Names joined by commas; of very many the first."""
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
