"""Rows of tables: CSV, Parquet, data frames and dictionaries, their columns found by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.data.reading import DELIMITERS, records
from automl.errors import UserError
from automl.predictor.fields import MISSING, category, number
from automl.predictor.rows import (
    BATCH_ROWS,
    Batch,
    RowFormat,
    Unused,
    check_finite,
    in_batches,
    paths_in,
)

Columns: TypeAlias = Mapping[str, Sequence[object]]
"""Values by the names of their columns, all of one length."""


def read_table(rows: object, form: RowFormat, unused: Unused) -> Iterator[Batch]:
    """Batches of the rows in .csv, .tsv or .parquet files, in a data frame, in a dictionary of
    columns, or in a list of dictionaries. Raises UserError on a column that is missing."""
    start, wanted = 0, list(form.columns)
    for columns in _batches(rows, wanted):
        inputs = encoded(columns, form, unused)
        names = range(start, start + len(inputs))
        check_finite(inputs, names, wanted)
        start += len(inputs)
        yield Batch(names, inputs)


def encoded(columns: Columns, form: RowFormat, unused: Unused) -> NDArray[np.float32]:
    """Rows (rows, columns) of numbers and codes of categories; NaN is missing or unknown."""
    kinds = form.columns.items()
    made = [
        _codes(columns[name], name, categories, unused)
        if categories
        else _numbers(columns[name], name, unused)
        for name, categories in kinds
    ]
    # A number beyond float32 becomes infinite, which is told afterwards.
    with np.errstate(over="ignore"):
        return np.array(made, np.float64).T.astype(np.float32)


def _numbers(values: Sequence[object], column: str, unused: Unused) -> list[float]:
    numbers = []
    for value in values:
        found = number(value, column)
        if found is None:
            unused.add(column, value, "number")
        numbers.append(np.nan if found is None else found)
    return numbers


def _codes(
    values: Sequence[object], column: str, categories: Sequence[str], unused: Unused
) -> list[float]:
    codes = {text: float(code) for code, text in enumerate(categories)}
    numbers = []
    for value in values:
        text = category(value, column)
        if text is not None and text not in codes and text not in MISSING:
            unused.add(column, value, "known category")
        numbers.append(np.nan if text is None else codes.get(text, np.nan))
    return numbers


def _batches(rows: object, wanted: Sequence[str]) -> Iterator[Columns]:
    """The wanted columns of rows of any kind, some rows at a time."""
    if files := paths_in(rows):
        return chain.from_iterable(_file(file, wanted) for file in files)
    if hasattr(rows, "column_names"):  # A table of pyarrow's.
        return _sliced({name: rows[name].to_pylist() for name in rows.column_names}, wanted)  # type: ignore[index]
    if hasattr(rows, "columns"):  # A data frame of pandas or polars.
        return _sliced({str(name): list(rows[name]) for name in rows.columns}, wanted)  # type: ignore[index]
    if isinstance(rows, Mapping):
        lists = {
            str(name): [value] if isinstance(value, str) or not hasattr(value, "__len__") else value
            for name, value in rows.items()
        }
        return _sliced(lists, wanted)
    listed = list(rows) if isinstance(rows, list | tuple) else []
    if not listed or not all(isinstance(row, Mapping) for row in listed):
        raise UserError(
            "these are no rows of a table; give the path of a .csv or .parquet file, a data "
            f"frame, or dictionaries with the columns {_listed(wanted)}"
        )
    return _dictionaries(listed, wanted)


def _sliced(columns: Columns, wanted: Sequence[str]) -> Iterator[Columns]:
    check_columns("the table", list(columns), wanted)
    lengths = {len(columns[name]) for name in wanted}
    if len(lengths) > 1:
        raise UserError(f"columns have {_listed(sorted(lengths))} rows; make them alike")
    for start in range(0, max(lengths), BATCH_ROWS):
        yield {name: columns[name][start : start + BATCH_ROWS] for name in wanted}


def _dictionaries(rows: list[Mapping[str, object]], wanted: Sequence[str]) -> Iterator[Columns]:
    for number_of_row, row in enumerate(rows):
        check_columns(f"row {number_of_row}", list(row), wanted)
    for some in in_batches(iter(rows)):
        yield {name: [row[name] for row in some] for name in wanted}


def _file(path: Path, wanted: Sequence[str]) -> Iterator[Columns]:
    if path.suffix.lower() == ".parquet":
        return _parquet(path, wanted)
    if path.suffix.lower() in DELIMITERS:
        return _csv(path, wanted)
    raise UserError(f"{path} is no .csv, .tsv or .parquet file; save it as one")


def _csv(path: Path, wanted: Sequence[str]) -> Iterator[Columns]:
    lines = records(path, DELIMITERS[path.suffix.lower()])
    _, header = next(lines, (1, []))
    check_columns(str(path), header, wanted)
    places, any_rows = [header.index(name) for name in wanted], False
    for some in in_batches(_whole(lines, len(header), path)):
        any_rows, columns = True, list(zip(*some))
        yield {name: columns[place] for name, place in zip(wanted, places)}
    if not any_rows:
        raise UserError(f"{path} holds no rows; add some")


def _whole(lines: Iterator[tuple[int, list[str]]], width: int, path: Path) -> Iterator[list[str]]:
    for line, fields in lines:
        if len(fields) != width:
            raise UserError(
                f"line {line} of {path} has {len(fields)} fields where the header has "
                f"{width}; quote values that hold the delimiter"
            )
        yield fields


def _parquet(path: Path, wanted: Sequence[str]) -> Iterator[Columns]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise UserError(f"{path} needs the package 'pyarrow'; install it, or save a .csv") from None
    try:
        file = parquet.ParquetFile(path, memory_map=True)
    except (ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read: {error}; save it again") from None
    check_columns(str(path), file.schema_arrow.names, wanted)
    if not file.metadata.num_rows:
        raise UserError(f"{path} holds no rows; add some")
    for batch in file.iter_batches(BATCH_ROWS, columns=list(wanted)):
        yield {name: batch.column(name).to_pylist() for name in wanted}


def check_columns(where: str, names: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise UserError when a wanted column is missing, or stands there twice."""
    missing = [name for name in wanted if name not in names]
    if missing:
        raise UserError(
            f"{where} has no column {_listed(missing)}; it has {_listed(names) or 'none'}"
        )
    twice = [name for name in wanted if list(names).count(name) > 1]
    if twice:
        raise UserError(f"{where} has two columns {twice[0]!r}; rename one")


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names))
