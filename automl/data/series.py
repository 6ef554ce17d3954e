"""Labelled time series in the UEA (.ts) and UCR layouts (https://timeseriesclassification.com)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from automl.data.arrays import Array, empty
from automl.data.dataset import Dataset
from automl.data.number_texts import MISSING
from automl.data.precision import check_precision
from automl.data.raw_dataset import RawDataset
from automl.data.reading import check_unicode, coded, existing_file, is_number
from automl.data.text_files import ending, fields_of_lines, is_array_header, written_lines
from automl.errors import UserError

_WORD = re.compile(r"'[^']*'|\"[^\"]*\"|\S+")
"""A word of a header, which may be quoted and hold blanks."""
_MISSING_LABELS = ("", "?", "nan")
"""Labels, in small letters, that stand for none; so do those of tables, but in .ts files."""
LINES = (".csv", ".tsv", ".txt")
"""The endings of files with a label and a series on each line."""


class _Row(NamedTuple):
    """A line of a file: its label, and the texts of each channel's steps.

    `is_number` is true of a label that is a number to predict.
    """

    line: int
    label: str
    channels: list[list[str]]
    is_number: bool = False


@dataclass(frozen=True)
class Series(Dataset):
    """A .ts file; or .csv, .tsv or .txt lines, each a label and then the steps, without a header
    but 0, 1, 2 and so on, as pandas writes it for an array.

    All series have the same channels and steps, and no step is missing. In a .ts file the label
    is last, after `:`; with @targetLabel in its header it is a number to predict. Times are
    refused.
    """

    path: str
    test_path: str = ""
    paths: ClassVar[tuple[str, ...]] = ("path", "test_path")

    def load(self) -> RawDataset:
        parts = [_rows(existing_file(path)) for path in (self.path, self.test_path) if path]
        rows = [row for part in parts for row in part]
        num_first = len(parts[0])

        def row_name(row: int) -> str:
            return f"line {rows[row][0].line} of {self.path if row < num_first else self.test_path}"

        shape = rows[0][1].shape
        exact = empty((len(rows), *shape), np.float64)
        for row, (_, values) in enumerate(rows):
            if values.shape != shape:
                first = f"{row_name(0)} has {_size(rows[0][1])}"
                raise UserError(
                    f"{row_name(row)} has {_size(values)}, but {first}; "
                    "pad or cut the series to one length"
                )
            exact[row] = values
        inputs = exact.astype(np.float32)
        check_precision(lambda channel: f"{self.path}: channel {channel + 1}", exact, inputs)
        targets, classes = self._targets([row for row, _ in rows])
        return RawDataset(inputs, targets, shape, classes, len(rows) - num_first, row_name=row_name)

    def _targets(self, rows: list[_Row]) -> tuple[Array, tuple[str, ...]]:
        """Class numbers (rows,) and names, or a regression's numbers (rows, 1) and no names."""
        if len({row.is_number for row in rows}) > 1:
            raise UserError(
                f"{self}: one file has @targetLabel in its header, the other not; make them alike"
            )
        if not rows[0].is_number:
            classes, targets = coded([row.label for row in rows])
            return targets, classes
        exact = np.array([float(row.label) for row in rows])[:, None]
        numbers = exact.astype(np.float32)
        check_precision(lambda _: f"{self.path}: the target", exact, numbers)
        return numbers, ()


def _size(values: NDArray[np.float64]) -> str:
    channels, steps = values.shape
    return f"{channels} channel{'s' * (channels > 1)} of {steps} step{'s' * (steps > 1)}"


def _rows(path: Path) -> list[tuple[_Row, NDArray[np.float64]]]:
    """Every series with its numbers (channels, steps)."""
    if ending(path) not in (".ts", *LINES):
        raise UserError(f"{path} is no .ts, .csv, .tsv or .txt file; save it as one")
    read, missing = (_ts_lines, ()) if ending(path) == ".ts" else (_ucr_lines, MISSING)
    rows = []
    for row in read(path):
        where = f"line {row.line} of {path}"
        if row.label.lower() in _MISSING_LABELS or row.label in missing:
            told = f" but {row.label!r}" if row.label else ""
            raise UserError(f"{where} has no label{told}; add it or remove the line")
        check_unicode(row.label, where)
        if row.is_number and not is_number(row.label):
            raise UserError(
                f"{where} has the target {row.label!r}, which is no finite number; correct it"
            )
        if len({len(channel) for channel in row.channels}) != 1:
            raise UserError(f"{where} has no channels of one length; pad, cut or remove them")
        if not row.channels[0]:
            raise UserError(f"{where} has a label but no steps; add them or remove the line")
        rows.append((row, _numbers(row.channels, where)))
    if not rows:
        raise UserError(f"{path} holds no series; add some")
    return rows


def _numbers(channels: list[list[str]], where: str) -> NDArray[np.float64]:
    values = np.array([list(map(_number, channel)) for channel in channels])
    with np.errstate(over="ignore"):
        bad = np.argwhere(~np.isfinite(values.astype(np.float32)))
    if bad.size:
        c, s = bad[0].tolist()
        raise UserError(
            f"{where} has {channels[c][s]!r} as step {s + 1} of channel {c + 1}, which is no "
            "finite number; fill it or remove the line"
        )
    return values


def _number(text: str) -> float:
    return float(text) if is_number(text) else math.nan


def _ts_lines(path: Path) -> Iterator[_Row]:
    """Data lines, after a header of lines that begin with @ and end with @data."""
    header: dict[str, list[str]] = {}
    for line, text in written_lines(path):
        if text.startswith("@"):
            name, *words = text[1:].lower().split() or [""]
            header[name] = _WORD.findall(text)[1:] if name == "classlabel" else words
            continue
        if "data" not in header:
            raise UserError(f"line {line} of {path} stands before @data; add that to the header")
        is_number = header.get("targetlabel", [])[:1] == ["true"]
        has_labels, *known = header.get("classlabel", ["false" if is_number else "true"])
        if header.get("timestamps", [])[:1] == ["true"]:
            raise UserError(f"{path} has times in its header (@timeStamps); leave only the values")
        if has_labels.lower() != "true" and not is_number:
            raise UserError(f"{path} has no class labels in its header (@classLabel); add them")
        *channels, label = (part.strip() for part in text.split(":"))
        label = _unquoted(label)
        if known and label not in map(_unquoted, known) and not is_number:
            raise UserError(
                f"line {line} of {path} has the label {label!r}, which @classLabel does not name; "
                "correct one of them"
            )
        yield _Row(line, label, [channel.split(",") for channel in channels], is_number)


def _ucr_lines(path: Path) -> Iterator[_Row]:
    for line, fields in fields_of_lines(path):
        label, *steps = fields
        # Behind an empty name stand the rows' numbers, which are no labels.
        if line == 1 and (is_array_header(fields) or (label and is_array_header(steps))):
            continue
        yield _Row(line, _unquoted(label), [steps])


def _unquoted(label: str) -> str:
    is_quoted = len(label) > 1 and label[0] == label[-1] and label[0] in "'\""
    return label[1:-1].strip() if is_quoted else label
