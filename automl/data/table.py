"""Tables in CSV and Parquet, with typed columns, missing values and categories."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from automl.data import table_file
from automl.data.arrays import Array, empty
from automl.data.cells import NUMERIC, Cells, lone_number
from automl.data.dataset import Dataset
from automl.data.number_texts import is_fraction
from automl.data.precision import check_precision
from automl.data.raw_dataset import Column, RawDataset
from automl.data.reading import coded, is_number, listed, shown
from automl.data.table_file import TableFile
from automl.errors import UserError

MAX_CATEGORIES = 100
MAX_INTEGER_CLASSES = 20
_NUMBER_IN = re.compile(r"[^\w\d]*\d[\d.,]*\D{0,4}").fullmatch


@dataclass(frozen=True)
class Table(Dataset):
    """A .csv or .tsv with a header, or a .parquet; `test_path` is another with the test rows.

    Each may be a folder of parts. The delimiter, a comma as the decimal mark and packing (.gz,
    .bz2, .xz) are found. Numbers and booleans are numeric, texts are categories. Missing are empty
    fields, NaN, NA, null and the like, and a few texts among many numbers. The index that pandas
    writes is left out. A target of texts, booleans or at most 20 different integers is a class,
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
            raise UserError(
                f"Table(task={self.task!r}): task is 'classification', 'regression' or empty"
            )
        files = self._files()
        names = self._features(files[0])
        counts = [file.num_rows for file in files]
        columns, inputs = [], empty((sum(counts), len(names)), np.float32)
        for number, name in enumerate(names):
            parts = _column(name, files)
            categories = _categories(name, parts[0], self.path)
            columns.append(Column(name, categories, parts[0].commas))
            inputs[:, number] = values(parts, columns[-1].categories)
            if not columns[-1].categories:
                _check_precision(self.path, name, parts[0], inputs[: counts[0], number])
        targets, classes = self._targets(files)
        told = [
            note
            for column in columns
            for note in _notes(column, files[0].columns[column.name])
            if note
        ]
        return RawDataset(
            inputs,
            targets,
            (sum(len(column.categories) or 1 for column in columns),),
            classes,
            num_test=sum(counts[1:]),
            columns=tuple(columns),
            row_name=lambda row: _row_name(files, row),
            target=self.target,
            notes=tuple(dict.fromkeys([*(n for file in files for n in file.notes), *told])),
        )

    def _files(self) -> list[TableFile]:
        """The training and the test file, the same columns in both."""
        keep, drop = {self.target, *self.drop}, set(self.drop)
        train = table_file.read(self.path, keep, drop)
        if self.target not in train.columns:
            raise UserError(_no_column(f"Table(target={self.target!r})", self.target, train))
        if not self.test_path:
            return [train]
        test = table_file.read(self.test_path, keep, drop, train)
        for name in sorted({*train.columns} ^ {*test.columns}):
            raise UserError(
                f"column {name!r} is not in both {self.path} and {self.test_path}; add or drop it"
            )
        return [train, test]

    def _features(self, file: TableFile) -> list[str]:
        for name in self.drop:
            if name not in file.names:
                raise UserError(_no_column(f"Table(drop={self.drop})", name, file))
        features = [name for name in file.columns if name != self.target]
        if not features:
            raise UserError(f"{self}: no column is left beside the target; drop fewer")
        return features

    def _targets(self, files: Sequence[TableFile]) -> tuple[Array, tuple[str, ...]]:
        """Class numbers (rows,) and names, or a regression's numbers (rows, 1) and no names."""
        parts = _column(self.target, files)
        missing = np.concatenate([part.missing() for part in parts])
        if missing.any():
            why = "".join(f" ({note})" for part in parts for note in part.notes)
            raise UserError(
                f"{_row_name(files, int(missing.argmax()))} has no value in the target column "
                f"{self.target!r}{why}; fill or remove it"
            )
        if not self.task and (first := _first_of_counted(parts[0])) is not None:
            raise UserError(
                f"Table(target={self.target!r}): the column counts the rows from {first}; choose "
                "another target, or set task='regression'"
            )
        if (self.task or self._task(parts[0])) == "classification":
            classes, targets = coded(_labels(parts))
            return targets, classes
        if parts[0].kind == "texts":
            raise UserError(
                f"Table(target={self.target!r}): the column holds texts such as "
                f"{shown(str(parts[0].values[0]))}; a regression needs numbers"
            )
        numbers = values(parts, ())
        _check_precision(self.path, self.target, parts[0], numbers[: len(parts[0].values)])
        return numbers[:, None], ()

    def _task(self, target: Cells) -> str:
        """The task by the target's values. Raises UserError where these leave it open."""
        if target.kind not in ("integers", "numbers"):
            return "classification"
        different = compute.unique(target.values).cast(pa.float64(), safe=False).to_numpy()
        if len(different) > MAX_INTEGER_CLASSES:
            return "regression"
        if target.kind == "integers":
            return "classification"
        is_whole = bool((different == np.rint(different)).all())
        if is_whole and len(different) > 2:
            raise UserError(
                f"Table(target={self.target!r}): the column holds {len(different)} whole numbers "
                f"such as {different[0]:.1f}; say what they are: task='classification' or "
                "task='regression'"
            )
        return "classification" if is_whole and len(different) == 2 else "regression"


def values(parts: Sequence[Cells], categories: tuple[str, ...]) -> NDArray[np.float32]:
    """Numbers (rows,) or the codes of categories; NaN is a missing value or unknown category."""
    columns = [part.values for part in parts]
    if categories:
        known = pa.array(categories)
        columns = [
            compute.index_in(column.cast(pa.string()), value_set=known) for column in columns
        ]
    numbers = [column.cast(pa.float64(), safe=False).to_numpy() for column in columns]
    # A number beyond float32 becomes infinite, which the check of all datasets tells.
    with np.errstate(over="ignore"):
        return np.concatenate(numbers).astype(np.float32)


def _column(name: str, files: Sequence[TableFile]) -> list[Cells]:
    """A column of the training and of the test file, if it can be learned from."""
    parts = [file.columns[name] for file in files]
    first = parts[0]
    if first.kind not in (*NUMERIC, "texts") or first.missing().all():
        held = first.kind if first.kind not in (*NUMERIC, "texts") else "only missing values"
        raise UserError(
            f"{files[0].path}: column {name!r} holds {held}; drop it or make numbers or texts of it"
        )
    alike = NUMERIC if first.kind in NUMERIC else ("texts",)
    for part, file in zip(parts[1:], files[1:], strict=True):
        if part.kind not in ("only missing values", *alike):
            raise UserError(
                f"column {name!r} holds {first.kind} in {files[0].path} but {part.kind} in "
                f"{file.path}; make them alike"
            )
    return parts


def _labels(parts: Sequence[Cells]) -> list[str]:
    """The labels of all rows, spelled as in the training file: 1 and 1.0 are true where that has
    booleans."""
    kind = parts[0].kind
    if kind == "texts":
        return [label for part in parts for label in part.values.to_pylist()]
    numbers = [part.values.cast(pa.float64(), safe=False).to_pylist() for part in parts]
    exact: list[str] = parts[0].values.cast(pa.string()).to_pylist()
    spelled = dict(zip(numbers[0], exact, strict=True))
    others = [number for part in numbers[1:] for number in part]
    return exact + [spelled.get(number, f"{number:.15g}") for number in others]


def _categories(name: str, column: Cells, path: str) -> tuple[str, ...]:
    """The sorted texts of a column of texts; none of numbers."""
    if column.kind != "texts":
        return ()
    texts = sorted(compute.unique(column.values).drop_null().to_pylist())
    if len(texts) > MAX_CATEGORIES:
        # Among numbers, it is the text that is no number that should be seen.
        example = min(texts, key=is_number)
        raise UserError(
            f"{path}: column {name!r} holds {len(texts)} different texts such as {shown(example)}; "
            f"drop it, or make numbers or at most {MAX_CATEGORIES} categories of it"
        )
    return tuple(texts)


def _check_precision(path: str, name: str, column: Cells, rounded: NDArray[np.float32]) -> None:
    known = ~column.missing()
    exact = column.values.filter(pa.array(known))
    if column.kind != "integers":
        exact = exact.cast(pa.float64(), safe=False)
    numbers = exact.to_numpy()[:, None]
    check_precision(lambda _: f"{path}: column {name!r}", numbers, rounded[known][:, None])


def _notes(column: Column, cells: Cells) -> tuple[str, ...]:
    """Notes on a column, each "" where it does not apply."""
    lone = cells.lone_value() if cells.kind in NUMERIC else ""
    nothing = f"column {column.name!r} {lone_number(lone)}" if lone else ""
    return nothing, _counts_rows(column.name, cells), _signs(column)


def _signs(column: Column) -> str:
    """A note on many categories that are numbers with signs or units; "" of any other."""
    first = next(iter(column.categories), "")
    if len(column.categories) <= MAX_INTEGER_CLASSES or not all(map(_NUMBER_IN, column.categories)):
        return ""
    return (
        f"column {column.name!r} holds {len(column.categories)} categories such as {shown(first)}; "
        "if they are numbers, write them without signs and units"
    )


def _counts_rows(name: str, column: Cells) -> str:
    """A note on a column that only counts the rows; "" of any other."""
    first = _first_of_counted(column)
    if first is None:
        return ""
    return f"column {name!r} counts the rows from {first}; drop=({name!r},) leaves it out"


def _first_of_counted(column: Cells) -> int | None:
    """The least of integers that count the rows in any order; None of any others, or of few."""
    if column.kind != "integers" or column.values.null_count:
        return None
    numbers = np.sort(column.values.to_numpy())
    if len(numbers) <= MAX_INTEGER_CLASSES or (np.diff(numbers) != 1).any():
        return None
    return int(numbers[0])


def _row_name(files: Sequence[TableFile], row: int) -> str:
    first = files[0].num_rows
    return files[0].row_name(row) if row < first else files[1].row_name(row - first)


def _no_column(said: str, name: str, file: TableFile) -> str:
    """The sentence on a name that is no column of a file."""
    names = file.names
    hint, are_numbers = "", all(map(is_number, names))
    if are_numbers or any(map(is_fraction, names)):
        which = "these" if are_numbers else "some of these"
        hint = f"; {which} are numbers: give the file a first line with the names of its columns"
    elif len(names) == 1:
        hint = "; separate the fields by commas, semicolons, tabs, bars or single blanks"
    return f"{said}: {file.path} has no column {name!r}; choose of {listed(names)}{hint}"
