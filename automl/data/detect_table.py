"""Tables, texts and series told apart, with the target and the columns to leave out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import compute, json

from automl.data import cells, table_file
from automl.data.cells import NUMERIC, Cells
from automl.data.detected import Detected, Wanted
from automl.data.reading import is_number
from automl.data.series import Series
from automl.data.table import MAX_CATEGORIES, MAX_INTEGER_CLASSES, Table
from automl.data.text import Text
from automl.data.text_files import TextBytes, ending, is_array_header
from automl.errors import UserError, unknown

JSON_LINES = ".jsonl"
USUAL_TARGETS = ("target", "label", "labels", "class", "y", "outcome")
NAMES_OF_IDS = re.compile(r"(.*[_\s-])?(id|uuid|guid|index|nr|no|number|key)", re.IGNORECASE)
CAMEL_ID = re.compile(r".*[a-z](Id|ID)")
PROSE_WORDS = 3
"""A text of at least so many words, seldom repeated, is free text."""
MOST_LISTED = 30
FEWEST_STEPS = 8
"""Numbers behind a label are a series if there are at least so many."""
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

    def is_of_classes(self) -> bool:
        """True of names that rows share."""
        names = self.kind in ("texts", "booleans")
        return names and not self.is_free_text() and not self.why_left_out()

    def why_left_out(self) -> str:
        """The reason why nothing can be learned from the column; "" where something can."""
        if self.different == 0:
            return "it has no values"
        if self.different == 1:
            return "it has the same value in every row"
        if self.kind not in (*NUMERIC, "texts"):
            return f"it holds {self.kind}"
        if self.is_id():
            return f"an id: {self.different:,} different values in {self.rows:,} rows"
        if self.is_free_text():
            return f"free text: {self.different:,} different in {self.rows:,} rows"
        if self.kind == "texts" and self.different > MAX_CATEGORIES:
            return f"{self.different:,} different texts, more than {MAX_CATEGORIES} categories"
        return ""


def detect(path: str, wanted: Wanted) -> Detected:
    """The dataset in a table of rows. Raises UserError where target or task cannot be told."""
    has_header = _is_json(path) or not _are_values(table_file.first_line(path))
    columns = _json_columns(path) if _is_json(path) else _table_columns(path, has_header)
    facts = {name: facts_of(name, column) for name, column in columns.items()}
    if len(facts) < 2:
        raise UserError(
            f"{path} has the one column {next(iter(facts), '')!r}; "
            "a model learns one column from others, so give at least two"
        )
    if not has_header:
        return _without_header(path, list(facts.values()), wanted)
    target, why = target_in(path, facts, wanted.target)
    _check_target(path, facts[target])
    task = _task(path, facts[target], wanted.task)
    others = [one for name, one in facts.items() if name != target]
    left_out = {one.name: one.why_left_out() for one in others if one.why_left_out()}
    texts = [one for one in others if one.is_free_text()]
    if texts and _is_about_texts(texts, len(others) - len(left_out)):
        text = max(texts, key=lambda one: one.words)
        beside = [name for name in facts if name not in (target, text.name)]
        return _text(path, (target, task), text.name, columns[text.name], beside)
    if len(left_out) == len(others):
        # A number of its own in each row may be all that there is: a time, a distance.
        left_out = {n: left_out[n] for n in left_out if facts[n].kind not in NUMERIC}
    if len(left_out) == len(others):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise UserError(f"{path}: nothing is left to learn {target!r} from ({reasons})")
    if _is_json(path):
        raise UserError(f"{path} is a table, not texts with classes; save it as .csv or .parquet")
    told = [f"{path} is a table; {target!r} is predicted ({why}), a {task}"]
    told += [f"left out: {name!r}, {reason}" for name, reason in left_out.items()]
    return Detected(Table(path, target, task=task, drop=tuple(left_out)), tuple(told))


def _are_values(line: Sequence[str]) -> bool:
    """True of a first line of a label and a series: of numbers other than 0, 1, 2 and so on, or of
    a text and then numbers that are not all whole, as years would be."""
    # Several blanks between two numbers make empty fields.
    first, *steps = [field for field in map(str.strip, line) if field] or [""]
    if not steps or not all(map(is_number, steps)):
        return False
    if is_number(first):
        return not is_array_header([first, *steps])
    return len(steps) >= FEWEST_STEPS and not all(map(str.isdigit, steps))


def _without_header(path: str, columns: Sequence[ColumnFacts], wanted: Wanted) -> Detected:
    """Series, each on a line behind its label. Raises UserError where these are none."""
    label, *steps = [column for column in columns if column.known] or columns
    numbers = all(one.kind in NUMERIC for one in steps) and len(steps) >= FEWEST_STEPS
    if wanted.target or not numbers or label.different > label.rows / 2:
        raise UserError(
            f"{path} begins with numbers where the names of its columns should be; "
            "add a first line with a name for each column"
        )
    return Detected(Series(path), (f"{path} has no names: each line is a label and a series",))


def _is_json(path: str) -> bool:
    return ending(Path(path)) == JSON_LINES


def _table_columns(path: str, has_header: bool) -> Mapping[str, Cells]:
    return table_file.read(path, has_header=has_header).columns


def _json_columns(path: str) -> dict[str, Cells]:
    """The columns of lines of JSON objects. Raises UserError on lines of unlike kinds."""
    try:
        with TextBytes(Path(path)) as file:
            table = json.read_json(file)
        return {name: cells.declared(table[name]) for name in table.column_names}
    except pa.ArrowException as error:
        why = " ".join(str(error).split())
        raise UserError(
            f"{path} cannot be read ({why}); write one JSON object on each line, with values of "
            "one kind under each name"
        ) from None


def target_in(path: str, facts: Mapping[str, ColumnFacts], wanted: str) -> tuple[str, str]:
    """The column to predict, and how it was told. Raises UserError where that is not clear."""
    if wanted in facts:
        return wanted, "as you say"
    if wanted:
        raise UserError(f"{path}: {unknown('column', wanted, list(facts))}")
    named = [name for name in facts if name.strip().lower() in USUAL_TARGETS]
    if len(named) == 1:
        return named[0], "by its name"
    last = list(facts.values())[-1]
    classes = [one for one in facts.values() if one.is_of_classes()]
    if not named and classes == [last]:
        return last.name, "the last column, and the only one of names"
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
    elif column.kind not in (*NUMERIC, "texts"):
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


def _text(
    path: str, target: tuple[str, str], name: str, column: Cells, left_out: Sequence[str]
) -> Detected:
    """A dataset of texts, for a target and its task.

    Raises UserError where numbers are to be predicted.
    """
    label, task = target
    if task == "regression":
        raise UserError(
            f"{path}: only the texts {name!r} are there to predict {label!r} from, which holds "
            "numbers, and of texts only classes are learned; choose another target"
        )
    sizes = compute.binary_length(column.values.drop_null()).to_numpy()
    enough = float(np.quantile(sizes, LONG_SHARE))
    length = next((size for size in LENGTHS if size >= enough), LENGTHS[-1])
    told = [f"{path} is texts, in the column {name!r}; {label!r} is predicted, a classification"]
    told += [f"left out, beside the text: {_listed(left_out)}"] if left_out else []
    if longer := int((sizes > length).sum()):
        told += [f"{longer:,} of {len(sizes):,} texts are longer than {length} bytes and are cut"]
    return Detected(Text(path, length, name, label), tuple(told))


def facts_of(name: str, column: Cells) -> ColumnFacts:
    """The facts of a column as it was read."""
    known = column.values.filter(pa.array(~column.missing()))
    # Arrow counts no lists and no structs: that there are values is enough to tell what they are.
    different = min(2, len(known))
    if column.kind in (*NUMERIC, "texts"):
        different = len(compute.unique(known))
    counts = (len(column.values), len(known), different)
    if column.kind == "texts":
        spaces = compute.mean(compute.count_substring_regex(known, r"\s+")).as_py()
        return ColumnFacts(name, column.kind, *counts, words=1 + (spaces or 0))
    numbers = known.cast(pa.float64(), safe=False).to_numpy() if column.kind in NUMERIC else known
    if column.kind not in NUMERIC or not len(numbers):
        return ColumnFacts(name, column.kind, *counts)
    return ColumnFacts(
        *(name, column.kind, *counts),
        low=float(numbers.min()),
        high=float(numbers.max()),
        is_whole=bool((numbers == np.round(numbers)).all()),
        is_counting=bool((np.diff(numbers) == 1).all()),
    )


def _listed(names: Sequence[str]) -> str:
    """Names joined by commas; of very many the first."""
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
