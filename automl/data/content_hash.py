"""Hashes of files and folders: a dataset's paths count by what they hold."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from automl.data.reading import existing, visible_files


def content_hash(path: Path) -> str:
    """The hash of a file's ending and bytes, or of all names and bytes in a folder; "" of no path.

    Files are read once per process, and again when their size or time of change differs.
    Hidden files in a folder do not count. Raises UserError where nothing is at the path.
    """
    if path == Path():
        return ""
    if existing(str(path)).is_file():
        return f"{path.suffix} {_file_hash(*_state(path))}"
    return _folder_hash(path, tuple(map(_state, visible_files(path))))


@functools.cache
def _file_hash(path: Path, size: int, changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=8)
def _folder_hash(folder: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    parts = [f"{f[0].relative_to(folder)} {f[0].suffix} {_file_hash(*f)}" for f in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _state(path: Path) -> tuple[Path, int, int]:
    info = path.stat()
    return path, info.st_size, info.st_mtime_ns
