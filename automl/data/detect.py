"""Data found out: the kind of a file or folder, and the dataset config that reads it."""

from __future__ import annotations

from pathlib import Path

from automl.data import detect_folder, detect_table, table_file
from automl.data.archive import is_archive
from automl.data.detected import Detected, Wanted
from automl.data.npz import Npz
from automl.data.series import Series
from automl.data.text_files import ending
from automl.errors import UserError

SPACE_SUFFIX = ".py"


def is_data(path: str) -> bool:
    """True of a path at which there is something other than a space file."""
    return Path(path).exists() and Path(path).suffix != SPACE_SUFFIX


def detect(path: str, wanted: Wanted) -> Detected:
    """The dataset at a path. Raises UserError, with what to say, where it cannot be told."""
    name = Path(path).name.lower()
    if ending(Path(path)) in (*table_file.ENDINGS, detect_table.JSON_LINES):
        return detect_table.detect(path, wanted)
    if wanted.target or wanted.task:
        given = f"--target {wanted.target}" if wanted.target else f"--task {wanted.task}"
        raise UserError(f"{given}: {path} says itself what is to be predicted; leave that out")
    if Path(path).is_dir() or is_archive(Path(path)):
        return detect_folder.detect(path, wanted)
    if name.endswith(".npz"):
        return Detected(Npz(path), (f"{path} holds arrays",))
    if name.endswith((".ts", ".txt")):
        return Detected(Series(path), (f"{path} holds series",))
    raise UserError(
        f"{path} is no space file (.py) and no data that can be read; save it as .csv, .parquet, "
        ".jsonl, .npz or .ts, or give a folder of pictures with a folder for each class"
    )
