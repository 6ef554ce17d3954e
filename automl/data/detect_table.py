"""Tables, texts and series told apart, with the target and the columns to leave out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import compute, json

from automl.data import cells, table_file
from automl.data.cells import NUMERIC, Cells
from automl.data.column_facts import ColumnFacts, facts_of
from automl.data.detected import Detected, Wanted
from automl.data.number_texts import is_fraction
from automl.data.reading import is_number, shown
from automl.data.series import LINES, Series
from automl.data.table import MAX_INTEGER_CLASSES, Table
from automl.data.text import Text
from automl.data.text_files import TextBytes, ending, is_array_header
from automl.errors import UserError, unknown

JSON_LINES = ".jsonl"
USUAL_TARGETS = ("target", "label", "labels", "class", "y", "outcome")
MOST_LISTED = 30
ADD_NAMES = "add a first line with a name for each column"
FEWEST_STEPS = 8
"""Numbers behind a label are a series if there are at least so many."""
LENGTHS = (16, 32, 64, 128, 256, 512)
LONG_SHARE = 0.95
"""Texts are cut where this share of them is shorter."""


def detect(path: str, wanted: Wanted) -> Detected:
    """The dataset in a table of rows. Raises UserError where target or task cannot be told."""
    has_header = _is_json(path) or _begins_with_names(path, wanted)
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


def _begins_with_names(path: str, wanted: Wanted) -> bool:
    """True of a file whose first line names its columns, False of one of labels and series.

    Raises UserError on a file of another kind that begins with values.
    """
    line = [field.strip() for field in table_file.first_line(path)]
    if _are_values(line):
        return False
    # The y of a target may also be a value, as n may.
    names = [*(name for name in USUAL_TARGETS if name != "y"), wanted.target.lower()]
    has_target = any(field.lower() in names for field in line if field and not is_number(field))
    if any(map(is_fraction, line)) and not has_target:
        raise _no_names(path)
    return True


def _no_names(path: str) -> UserError:
    return UserError(
        f"{path} begins with numbers where the names of its columns should be; {ADD_NAMES}"
    )


def _are_values(line: Sequence[str]) -> bool:
    """True of a first line of a label and a series: of numbers other than 0, 1, 2 and so on, or of
    a text and then numbers that are not all whole, as years would be."""
    # Several blanks between two numbers make empty fields.
    first, *steps = [field for field in line if field] or [""]
    if not steps or not all(map(is_number, steps)):
        return False
    if is_number(first):
        return not is_array_header([first, *steps])
    return len(steps) >= FEWEST_STEPS and not all(map(str.isdigit, steps))


def _without_header(path: str, columns: Sequence[ColumnFacts], wanted: Wanted) -> Detected:
    """Series, each on a line behind its label. Raises UserError where these are none."""
    label, *steps = [column for column in columns if column.known] or columns
    numbers = all(one.kind in NUMERIC for one in steps) and len(steps) >= FEWEST_STEPS
    are_lines = Path(path).is_file() and ending(Path(path)) in LINES
    if wanted.target or not are_lines or not numbers or label.different > label.rows / 2:
        raise _no_names(path)
    told = f"{path} has no names: each line is a label and a series; if it is a table, {ADD_NAMES}"
    return Detected(Series(path), (told,))


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
    why, do = "", "choose a column of classes or numbers"
    if column.is_free_text() and not column.is_id():
        why = f"holds free text, {column.different:,} different in {column.known:,} rows"
    elif column.is_id():
        why = f"is an id: each of its {column.known:,} values is there once"
    elif column.kind not in (*NUMERIC, "texts"):
        why = f"holds {column.kind}"
    elif column.lone:
        why = f"holds {shown(column.lone)} or nothing"
        do = f"write another value where nothing stands, or {do}"
    elif column.different < 2:
        why = f"has {'the same value in every row' if column.different else 'no values'}"
    if why:
        raise UserError(f"{path}: the target {column.name!r} {why}; {do}")


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


def _listed(names: Sequence[str]) -> str:
    """Names joined by commas; of very many the first."""
    more = len(names) - MOST_LISTED
    return ", ".join(names[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")
