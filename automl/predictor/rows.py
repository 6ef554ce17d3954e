"""Rows for an exported model: how they are read, a batch of them, and values that it cannot use."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

from automl.data.arrays import Array
from automl.data.reading import listed
from automl.errors import UserError

T = TypeVar("T")
ROWS_FILE, TOKENIZER_FILE = "rows.json", "tokenizer.json"
BATCH_ROWS = 512
Columns: TypeAlias = Mapping[str, Sequence[object]]
"""Values by the names of their columns, all of one length."""


@dataclass(frozen=True)
class RowFormat:
    """The form of an exported model's rows, as `rows.json` in its folder tells.

    `kind` is "table", "text", "image" or "numbers". `row_shape` is the shape of a row of the
    file's input; `input_shape` is that in which the network sees the row, such as
    (channels, height, width) of an image. `columns` are a table's, each with its categories.
    `commas` tells what these mean in the texts of some columns of numbers, as in training.
    `text` names the column with the text; `tokenizer` is the path of what makes ids of it, if any.
    `largest` is the value of white in pictures of one channel, which may be drawn; 0 of others.
    """

    kind: str
    row_shape: tuple[int, ...]
    input_shape: tuple[int, ...]
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    text: str = "text"
    tokenizer: str = ""
    largest: float = 0.0
    commas: Mapping[str, str] = field(default_factory=dict)

    def told(self) -> dict[str, object]:
        """The object of `rows.json`; columns stand in the model's file, the tokenizer beside it."""
        kept = ("kind", "row_shape", "input_shape", "text", "largest", "commas")
        return {name: getattr(self, name) for name in kept}

    def to_json(self) -> str:
        """The text of `rows.json`."""
        return json.dumps(self.told(), indent=1)


@dataclass(frozen=True, eq=False)
class Batch:
    """Some rows in a model's own form: their names, and `inputs` (rows, *row shape)."""

    names: Sequence[object]
    inputs: Array


@dataclass
class Unused:
    """Values that count as missing because a column's kind cannot be made of them."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    wanted: dict[str, str] = field(default_factory=dict)

    def add(self, column: str, value: object, wanted: str) -> None:
        """Count one more value of a column, which should have been `wanted`."""
        self.counts[column] = self.counts.get(column, 0) + 1
        self.examples.setdefault(column, repr(value))
        self.wanted.setdefault(column, wanted)

    def sentences(self) -> list[str]:
        """A sentence for each column with such values."""
        return [
            f"column {column!r} holds no {self.wanted[column]} in {count} row{'s' * (count > 1)}, "
            f"such as {self.examples[column]}; it counts as missing there"
            for column, count in self.counts.items()
        ]


Reader: TypeAlias = Callable[[object, RowFormat, Unused], Iterator[Batch]]


def paths_in(rows: object) -> list[Path]:
    """The files in `rows`: a path, or a list of paths; none where it holds something else.

    Raises UserError on a path of nothing.
    """
    listed = rows if isinstance(rows, list | tuple) else [rows]
    paths = [Path(item) for item in listed if isinstance(item, str | Path)]
    if len(paths) < len(listed):
        return []
    for path in paths:
        if not path.exists():
            raise UserError(f"there is no {path}; check the path")
    return paths


def in_batches(values: Iterator[T], size: int = BATCH_ROWS) -> Iterator[list[T]]:
    """Lists of at most `size` of the values."""
    batch: list[T] = []
    for value in values:
        batch.append(value)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def check_finite(inputs: Array, names: Sequence[object], columns: Sequence[str] = ()) -> None:
    """Raise UserError on a number that float32 cannot hold; in a table NaN is a missing value."""
    bad = np.isinf(inputs) if columns else ~np.isfinite(inputs)
    if bad.any():
        row, *within = np.argwhere(bad)[0].tolist()
        where = f" of column {columns[within[0]]!r}" if columns else ""
        raise UserError(
            f"row {names[row]}{where} holds a value that is not finite; correct or leave it out"
        )


def columns_in(rows: Any, wanted: Sequence[str]) -> Columns | None:
    """The wanted columns of a table of pyarrow's, of a data frame, or of a dictionary; else None.

    Raises UserError where one is missing, or is there twice.
    """
    if hasattr(rows, "column_names"):
        names = rows.column_names
    elif hasattr(rows, "columns"):
        names = rows.columns
    elif isinstance(rows, Mapping):
        names = rows
    else:
        return None
    plain = [str(name).strip() for name in names]
    check_columns("the table", plain, wanted)
    own = dict(zip(plain, names))
    return {name: _values(rows[own[name]]) for name in wanted}


def _values(column: object) -> Sequence[object]:
    """The values of a column of pyarrow's, of a data frame or of a dictionary, where it may be a
    single one."""
    if hasattr(column, "to_pylist"):
        values: Sequence[object] = column.to_pylist()
        return values
    if isinstance(column, Iterable) and not isinstance(column, str):
        return list(column)
    return [column]


def check_columns(where: str, names: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise UserError when a wanted column is missing, or stands there twice."""
    missing = [name for name in wanted if name not in names]
    if missing:
        raise UserError(f"{where} has no column {listed(missing)}; it has {listed(names)}")
    twice = [name for name in wanted if list(names).count(name) > 1]
    if twice:
        raise UserError(f"{where} has two columns {twice[0]!r}; rename one")
