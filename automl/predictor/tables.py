"""Rows of tables: CSV, Parquet, data frames and dictionaries, their columns found by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from automl.data.reading import listed
from automl.errors import UserError
from automl.predictor.fields import category, code, number
from automl.predictor.rows import (
    BATCH_ROWS,
    Batch,
    Columns,
    RowFormat,
    Unused,
    check_columns,
    check_finite,
    columns_in,
    in_batches,
    paths_in,
)
from automl.predictor.table_files import columns_of_file, tables_in


def read_table(rows: object, form: RowFormat, unused: Unused) -> Iterator[Batch]:
    """Batches of the rows in files with delimiters or in Parquet files, in a data frame, in a
    dictionary of columns, or in a list of dictionaries. Raises UserError on a missing column."""
    start, wanted = 0, list(form.columns)
    for columns in _batches(rows, form):
        inputs = encoded(columns, form, unused)
        names = range(start, start + len(inputs))
        check_finite(inputs, names, wanted)
        start += len(inputs)
        yield Batch(names, inputs)


def encoded(columns: Columns, form: RowFormat, unused: Unused) -> NDArray[np.float32]:
    """Rows (rows, columns) of numbers and codes of categories; NaN is missing or unknown."""
    made = [
        _codes(columns[name], name, categories, unused)
        if categories
        else _numbers(columns[name], name, unused)
        for name, categories in form.columns.items()
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
    codes = {text: float(place) for place, text in enumerate(categories)}
    numbers = []
    for value in values:
        text = category(value, column)
        found = np.nan if text is None else code(text, column, codes)
        if found is None:
            unused.add(column, value, "known category")
        numbers.append(np.nan if found is None else found)
    return numbers


def _batches(rows: object, form: RowFormat) -> Iterator[Columns]:
    """The wanted columns of rows of any kind, some rows at a time."""
    wanted = list(form.columns)
    if files := paths_in(rows):
        tables = [table for path in files for table in tables_in(path)]
        return chain.from_iterable(columns_of_file(table, form) for table in tables)
    if (columns := columns_in(rows, wanted)) is not None:
        return _sliced(columns, wanted)
    records = list(rows) if isinstance(rows, list | tuple) else []
    if not records or not all(isinstance(row, Mapping) for row in records):
        raise UserError(
            "these are no rows of a table; give the path of a .csv or .parquet file, a data "
            f"frame, or dictionaries with the columns {listed(wanted)}"
        )
    return _of_dictionaries(records, wanted)


def _sliced(columns: Columns, wanted: Sequence[str]) -> Iterator[Columns]:
    lengths = {len(columns[name]) for name in wanted}
    if len(lengths) > 1:
        counts = ", ".join(map(str, sorted(lengths)))
        raise UserError(f"columns have {counts} rows; make them alike")
    for start in range(0, max(lengths), BATCH_ROWS):
        yield {name: columns[name][start : start + BATCH_ROWS] for name in wanted}


def _of_dictionaries(rows: list[Mapping[str, object]], wanted: Sequence[str]) -> Iterator[Columns]:
    for place, row in enumerate(rows):
        check_columns(f"row {place}", list(row), wanted)
    for some in in_batches(iter(rows)):
        yield {name: [row[name] for row in some] for name in wanted}
