"""Labelled time series in the UEA (.ts) and UCR layouts (https://timeseriesclassification.com)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from automl.data.arrays import empty
from automl.data.dataset import Dataset
from automl.data.raw_dataset import RawDataset
from automl.data.reading import DELIMITERS, coded, existing_file, is_number
from automl.errors import UserError

_Line = tuple[int, str, list[list[str]]]


@dataclass(frozen=True)
class Series(Dataset):
    """A .ts file; or .csv, .tsv or .txt lines without a header, each a label and then the steps.

    All series have the same channels and steps, and no step is missing. In a .ts file the label
    is last, after `:`; times are refused, as are numbers to predict.
    """

    path: str
    test_path: str = ""
    paths: ClassVar[tuple[str, ...]] = ("path", "test_path")

    def load(self) -> RawDataset:
        parts = [_rows(existing_file(path)) for path in (self.path, self.test_path) if path]
        rows = [row for part in parts for row in part]
        num_first = len(parts[0])

        def row_name(row: int) -> str:
            return f"line {rows[row][0]} of {self.path if row < num_first else self.test_path}"

        shape = rows[0][2].shape if rows else (0, 0)
        inputs = empty((len(rows), *shape), np.float32)
        for row, (_, _, values) in enumerate(rows):
            if values.shape != shape:
                first = f"{row_name(0)} has {_size(rows[0][2])}"
                raise UserError(
                    f"{row_name(row)} has {_size(values)}, but {first}; "
                    "pad or cut the series to one length"
                )
            inputs[row] = values
        classes, targets = coded([label for _, label, _ in rows])
        return RawDataset(inputs, targets, shape, classes, len(rows) - num_first, row_name=row_name)


def _size(values: NDArray[np.float32]) -> str:
    return f"{values.shape[0]} channels of {values.shape[1]} steps"


def _rows(path: Path) -> list[tuple[int, str, NDArray[np.float32]]]:
    """The line number, the label and the numbers (channels, steps) of every series."""
    if path.suffix not in (".ts", ".csv", ".tsv", ".txt"):
        raise UserError(f"{path} is no .ts, .csv, .tsv or .txt file; save it as one")
    rows = []
    for line, label, channels in (_ts_lines if path.suffix == ".ts" else _ucr_lines)(path):
        where = f"line {line} of {path}"
        if not label:
            raise UserError(f"{where} has no label; add it or remove the line")
        if len({len(channel) for channel in channels}) != 1:
            raise UserError(f"{where} has no channels of one length; pad, cut or remove them")
        if not channels[0]:
            raise UserError(f"{where} has a label but no steps; add them or remove the line")
        rows.append((line, label, _numbers(channels, where)))
    if not rows:
        raise UserError(f"{path} holds no series; add some")
    return rows


def _numbers(channels: list[list[str]], where: str) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        values = np.array([list(map(_number, channel)) for channel in channels]).astype(np.float32)
    bad = np.argwhere(~np.isfinite(values))
    if bad.size:
        c, s = bad[0].tolist()
        raise UserError(
            f"{where} has {channels[c][s]!r} as step {s + 1} of channel {c + 1}, which is no "
            "finite number; fill it or remove the line"
        )
    return values


def _number(text: str) -> float:
    return float(text) if is_number(text) else math.nan


def _ts_lines(path: Path) -> Iterator[_Line]:
    """Data lines, after a header of lines that begin with @ and end with @data."""
    header: dict[str, list[str]] = {}
    for line, text in _lines(path):
        if text.startswith("@"):
            name, *words = text[1:].lower().split() or [""]
            header[name] = text.split()[1:] if name == "classlabel" else words
            continue
        if "data" not in header:
            raise UserError(f"line {line} of {path} stands before @data; add that to the header")
        has_labels, *known = header.get("classlabel", ["true"])
        if has_labels.lower() != "true" or header.get("timestamps") == ["true"]:
            raise UserError(f"{path} has times or no class labels in its header; convert it")
        *channels, label = (part.strip() for part in text.split(":"))
        if known and label not in known:
            raise UserError(
                f"line {line} of {path} has the label {label!r}, which @classLabel does not name; "
                "correct one of them"
            )
        yield line, label, [channel.split(",") for channel in channels]


def _ucr_lines(path: Path) -> Iterator[_Line]:
    for line, text in _lines(path):
        delimiter = DELIMITERS.get(path.suffix, "," if "," in text else None)
        label, *steps = text.split(delimiter)
        yield line, label.strip(), [steps]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The numbered lines that hold something other than a comment."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line, text in enumerate(file, 1):
            if text.strip() and not text.startswith("#"):
                yield line, text.strip("\r\n ")
