"""Reading of files that datasets share: existing paths, numbered lines, class codes."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl.errors import UserError

DELIMITERS = {".csv": ",", ".tsv": "\t"}


def existing(path: str) -> Path:
    """The path, if it is there on this machine. Raises UserError otherwise."""
    if not Path(path).exists():
        raise UserError(f"there is no {path} on {os.uname().nodename}; check the path")
    return Path(path)


def existing_file(path: str) -> Path:
    """The path, if it is there and no folder. Raises UserError otherwise."""
    if existing(path).is_dir():
        raise UserError(f"{path} is a folder; give the path of a file")
    return Path(path)


def visible_files(folder: Path) -> list[Path]:
    """The sorted files below a folder that are neither hidden nor in a hidden folder."""
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.is_file())


def records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The number of the first line and the fields of every record that is not blank.

    A quoted field may hold newlines. Bytes that are not UTF-8 come as surrogates.
    """
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader, line = csv.reader(file, delimiter=delimiter), 1
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + 1


def coded(labels: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The sorted class names, and the class number of each label (rows,).

    Names that are numbers are sorted as such, all others by the alphabet.
    """
    names = sorted(set(labels))
    if all(is_number(name) for name in names):
        names.sort(key=float)
    codes = {name: code for code, name in enumerate(names)}
    return tuple(names), np.array([codes[label] for label in labels], np.int64)


def is_number(text: str) -> bool:
    """True of the text of a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
