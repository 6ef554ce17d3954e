"""Tables in CSV and Parquet, with typed columns, missing values and categories."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, csv, parquet, types

from automl.data.arrays import Array, empty
from automl.data.dataset import Dataset
from automl.data.raw_dataset import Column, RawDataset
from automl.data.reading import DELIMITERS, coded, existing_file, is_number, records
from automl.errors import UserError

MAX_CATEGORIES = 100
MAX_INTEGER_CLASSES = 20
_KINDS: dict[str, tuple[Callable[[pa.DataType], bool], ...]] = {
    "booleans": (types.is_boolean,),
    "integers": (types.is_integer,),
    "numbers": (types.is_floating, types.is_decimal),
    "texts": (types.is_string, types.is_large_string, types.is_string_view, types.is_dictionary),
    "dates or times": (types.is_temporal,),
    "only missing values": (types.is_null,),
    "bytes that are no UTF-8 text": (types.is_binary, types.is_large_binary),
}
_NUMERIC = ("booleans", "integers", "numbers")


@dataclass(frozen=True)
class Table(Dataset):
    """A .csv or .tsv with a header, or a .parquet; `test_path` is another with the test rows.

    Numbers and booleans are numeric, texts are categories. Missing are empty fields, NaN, NA,
    null and the like. A target of texts, booleans or at most 20 different integers is a class,
    any other a regression, unless `task` is "classification" or "regression".
    """

    path: str
    target: str
    test_path: str = ""
    task: str = ""
    drop: tuple[str, ...] = ()
    paths: ClassVar[tuple[str, ...]] = ("path", "test_path")

    def load(self) -> RawDataset:
        if self.task not in ("", "classification", "regression"):
            raise UserError(f"{self}: task is 'classification', 'regression' or empty")
        paths = [path for path in (self.path, self.test_path) if path]
        tables = _tables(paths, set(self.drop))
        names = self._features(tables[0].column_names)
        counts = [table.num_rows for table in tables]
        columns, inputs = [], empty((sum(counts), len(names)), np.float32)
        for number, name in enumerate(names):
            parts = _column(name, tables, paths)
            columns.append(Column(name, _categories(name, parts[0], self.path)))
            inputs[:, number] = _values(parts, columns[-1].categories)
            if not columns[-1].categories:
                _check_precision(self.path, name, parts[0], inputs[: counts[0], number])
        targets, classes = self._targets(tables, paths)
        shape = (sum(len(column.categories) or 1 for column in columns),)
        row_name = partial(_row_name, paths, counts[0])
        return RawDataset(
            inputs,
            targets,
            shape,
            classes,
            num_test=sum(counts[1:]),
            columns=tuple(columns),
            row_name=row_name,
            target=self.target,
        )

    def _features(self, names: list[str]) -> list[str]:
        for name in (self.target, *self.drop):
            if name not in names:
                listed = ", ".join(names)
                raise UserError(f"{self.path} has no column {name!r}; choose of {listed}")
        features = [name for name in names if name not in (self.target, *self.drop)]
        if not features:
            raise UserError(f"{self}: no column is left beside the target; drop fewer")
        return features

    def _targets(self, tables: list[pa.Table], paths: list[str]) -> tuple[Array, tuple[str, ...]]:
        """Class numbers (rows,) and names, or a regression's numbers (rows, 1) and no names."""
        parts = _column(self.target, tables, paths)
        missing = np.concatenate([_is_missing(part) for part in parts])
        if missing.any():
            row_name = _row_name(paths, len(parts[0]), int(missing.argmax()))
            raise UserError(
                f"{row_name} has no value in the target column {self.target!r}; fill or remove it"
            )
        kind = _kind(parts[0])
        few = kind == "integers" and len(compute.unique(parts[0])) <= MAX_INTEGER_CLASSES
        task = "classification" if few or kind in ("booleans", "texts") else "regression"
        if (self.task or task) == "classification":
            labels = [label for part in parts for label in part.cast(pa.string()).to_pylist()]
            classes, targets = coded(labels)
            return targets, classes
        if kind == "texts":
            raise UserError(
                f"{self.path}: the target column {self.target!r} holds texts such as "
                f"{str(parts[0][0])!r}; a regression needs numbers"
            )
        values = _values(parts, ())
        _check_precision(self.path, self.target, parts[0], values[: len(parts[0])])
        return values[:, None], ()


def _tables(paths: list[str], drop: set[str]) -> list[pa.Table]:
    """The tables of the training and of the test file, the same columns in both."""
    tables = [_read(existing_file(paths[0]), {})]
    for path in paths[1:]:
        # Texts that happen to be numbers in the test file are still texts.
        texts = {f.name: pa.string() for f in tables[0].schema if _kind(f) == "texts"}
        tables.append(_read(existing_file(path), texts))
        names, others = (set(table.column_names) - drop for table in tables)
        for name in sorted(names ^ others):
            raise UserError(f"column {name!r} is not in both {paths[0]} and {path}; add or drop it")
    return tables


def _read(path: Path, column_types: dict[str, pa.DataType]) -> pa.Table:
    if path.suffix not in (*DELIMITERS, ".parquet"):
        raise UserError(f"{path} is no .csv, .tsv or .parquet file; save it as one")
    convert = csv.ConvertOptions(strings_can_be_null=True, column_types=column_types)
    try:
        if path.suffix == ".parquet":
            table = parquet.ParquetFile(path, memory_map=True).read()
        else:
            parse = csv.ParseOptions(delimiter=DELIMITERS[path.suffix], newlines_in_values=True)
            table = csv.read_csv(path, parse_options=parse, convert_options=convert)
        names = table.column_names
    except (pa.ArrowException, OSError) as error:
        _check_fields(path)
        raise UserError(f"{path} cannot be read: {error}; correct it or save it again") from None
    except UnicodeDecodeError:
        raise UserError(
            f"the header of {path} is not UTF-8; save the file in that encoding"
        ) from None
    twice = [name for name in names if names.count(name) > 1]
    if twice or not table.num_rows:
        what = f"two columns {twice[0]!r}; rename one" if twice else "no rows; add some"
        raise UserError(f"{path} holds {what}")
    return table


def _check_fields(path: Path) -> None:
    """Raise UserError at the first line that has more or fewer fields than the header."""
    lines = records(path, DELIMITERS[path.suffix]) if path.suffix in DELIMITERS else iter(())
    _, header = next(lines, (1, []))
    for line, fields in lines:
        if len(fields) != len(header):
            raise UserError(
                f"line {line} of {path} has {len(fields)} fields where the header has "
                f"{len(header)}; quote values that hold the delimiter"
            )


def _column(name: str, tables: list[pa.Table], paths: list[str]) -> list[pa.ChunkedArray]:
    """A column of the training and of the test file, if it can be learned from."""
    parts = [table[name] for table in tables]
    kinds = [_kind(part) for part in parts]
    if kinds[0] not in (*_NUMERIC, "texts") or _is_missing(parts[0]).all():
        held = kinds[0] if kinds[0] not in (*_NUMERIC, "texts") else "only missing values"
        raise UserError(
            f"{paths[0]}: column {name!r} holds {held}; drop it or make numbers or texts of it"
        )
    numeric = kinds[0] in _NUMERIC
    for kind in kinds[1:]:
        if kind not in ("only missing values", *(_NUMERIC if numeric else ["texts"])):
            raise UserError(
                f"column {name!r} holds {kinds[0]} in {paths[0]} but {kind} in {paths[1]}; "
                "make them alike"
            )
    return parts


def _kind(column: pa.ChunkedArray | pa.Field) -> str:
    """The kind of values in a column, as the user would say it."""
    found = (name for name, tests in _KINDS.items() if any(test(column.type) for test in tests))
    return next(found, f"values of the type {column.type}")


def _is_missing(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = compute.is_null(column, nan_is_null=True).to_numpy()
    return missing


def _categories(name: str, column: pa.ChunkedArray, path: str) -> tuple[str, ...]:
    """The sorted texts of a column of texts; none of numbers."""
    if _kind(column) != "texts":
        return ()
    texts = sorted(compute.unique(column.cast(pa.string())).drop_null().to_pylist())
    if len(texts) > MAX_CATEGORIES:
        # Among numbers, it is the text that is no number that should be seen.
        example = min(texts, key=is_number)
        raise UserError(
            f"{path}: column {name!r} holds {len(texts)} different texts such as {example!r}; "
            f"drop it, or make numbers or at most {MAX_CATEGORIES} categories of it"
        )
    return tuple(texts)


def _values(parts: list[pa.ChunkedArray], categories: tuple[str, ...]) -> NDArray[np.float32]:
    """Numbers (rows,) or the codes of categories; NaN is a missing value or unknown category."""
    if categories:
        known = pa.array(categories)
        parts = [compute.index_in(part.cast(pa.string()), value_set=known) for part in parts]
    numbers = [part.cast(pa.float64(), safe=False).to_numpy() for part in parts]
    # A number beyond float32 becomes infinite, which the check of all datasets tells.
    with np.errstate(over="ignore"):
        return np.concatenate(numbers).astype(np.float32)


def _check_precision(
    path: str, name: str, column: pa.ChunkedArray, rounded: NDArray[np.float32]
) -> None:
    """Raise UserError on numbers too close together for float32 to tell them apart.

    Rounding makes some of them equal, and moves some by more than a hundredth of their deviation.
    """
    known = ~_is_missing(column)
    exact, rounded = column.filter(pa.array(known)), rounded[known]
    numbers = exact.cast(pa.float64(), safe=False).to_numpy()
    if not np.isfinite(rounded).all():
        return
    moved = np.abs(rounded - numbers).max()
    if moved < numbers.std() / 100 or len(compute.unique(exact)) == len(np.unique(rounded)):
        return
    raise UserError(
        f"{path}: column {name!r} holds numbers such as {exact[0]} that float32 cannot tell from "
        "their neighbours; subtract an offset, e.g. the least value, or drop it"
    )


def _row_name(paths: list[str], num_first: int, row: int) -> str:
    path, row = (paths[0], row) if row < num_first else (paths[1], row - num_first)
    suffix = Path(path).suffix
    if suffix == ".parquet":
        return f"row {row} (counted from 0) of {path}"
    line, _ = next(islice(records(Path(path), DELIMITERS[suffix]), row + 1, None))
    return f"line {line} of {path}"
