"""Parts that readers of files share: existing paths, class codes."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl.errors import UserError

PARQUET = (".parquet", ".pq")
"""The endings of Parquet files."""
MAX_SHOWN, MAX_LISTED = 60, 30
SYSTEM_FILES = ("thumbs.db", "desktop.ini", "ehthumbs.db")
"""Files, in small letters, that systems put into folders by themselves."""
SYSTEM_FOLDERS = ("__MACOSX", "lost+found")


def existing(path: str) -> Path:
    """The path, if it is there on this machine and may be read. Raises UserError otherwise."""
    if not Path(path).exists():
        raise UserError(f"there is no {path} on {os.uname().nodename}; check the path")
    if not os.access(path, os.R_OK):
        raise UserError(f"{path} may not be read by this user; change its permissions")
    return Path(path)


def existing_file(path: str) -> Path:
    """The path, if it is there and no folder. Raises UserError otherwise."""
    if existing(path).is_dir():
        raise UserError(f"{path} is a folder; give the path of a file")
    return Path(path)


def visible_files(folder: Path) -> list[Path]:
    """The sorted files below a folder and behind its links, without what is hidden or a system's
    own. Raises UserError on a folder that may not be read."""
    return sorted(_files_below(folder, ()))


def _files_below(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    """The files below a folder that lies in the folders `above`: a link to one of them has no end,
    and is left out."""
    if (here := folder.resolve()) in above:
        return
    try:
        entries = list(os.scandir(folder))
    except PermissionError:
        raise UserError(f"{folder} may not be read by this user; change its permissions") from None
    for entry in filter(lambda entry: is_visible(entry.name), entries):
        if entry.is_dir():
            yield from _files_below(Path(entry.path), (*above, here))
        elif entry.is_file():
            yield Path(entry.path)


def is_visible(name: str) -> bool:
    """True of a name of a file or a folder that is neither hidden nor a system's own."""
    is_system = name.lower() in SYSTEM_FILES or name in SYSTEM_FOLDERS
    return not (name.startswith(".") or is_system)


def coded(labels: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The sorted class names, and the class number of each label (rows,).

    Where all labels are numbers, those of one number are one class, under its shortest spelling,
    and the classes are sorted as numbers; all others by the alphabet.
    """
    names = sorted(set(labels), key=lambda name: (len(name), name))
    if not all(map(is_number, names)):
        names.sort()
        codes = {name: code for code, name in enumerate(names)}
        return tuple(names), np.array([codes[label] for label in labels], np.int64)
    spelled: dict[Decimal, str] = {}
    for name in names:
        spelled.setdefault(Decimal(name), name)
    numbers = {number: code for code, number in enumerate(sorted(spelled))}
    codes = {name: numbers[Decimal(name)] for name in names}
    return tuple(spelled[number] for number in numbers), np.array(
        [codes[label] for label in labels], np.int64
    )


def is_number(text: str) -> bool:
    """True of the text of a finite number."""
    try:
        return "_" not in text and math.isfinite(float(text))
    except ValueError:
        return False


def check_unicode(text: str, where: str) -> None:
    """Raise UserError, naming the row, on a text with bytes that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(f"{where} is not UTF-8; save the file in that encoding") from None


def shown(text: str) -> str:
    """A text of a file in a sentence: quoted, in one line, cut where it is long."""
    return repr(text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…")


def listed(names: Sequence[str]) -> str:
    """Names of a file in a sentence, each in one line; of many the first."""
    some = [" ".join(name[:MAX_SHOWN].split()) for name in names[:MAX_LISTED]]
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return (", ".join(some) or "none") + more
