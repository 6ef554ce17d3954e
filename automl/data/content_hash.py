"""Hashes of files and folders: a dataset's paths count by what they hold."""

from __future__ import annotations

import functools
import hashlib
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

from automl.data.reading import existing, visible_files

NUM_THREADS = min(16, 2 * (os.cpu_count() or 1))
MANY_BYTES, MANY_FILES = 100_000_000, 10_000
"""A hash of so many bytes or files takes seconds, and is kept on disk."""
LOOK_SHARE = 0.01
"""The most of the time that goes into looking whether one of many files has changed."""

State: TypeAlias = tuple[Path, int, int, int]
"""A file with its size and its times of change, in ns."""


def content_hash(path: Path) -> str:
    """The hash of a file's ending and bytes, or of all names and bytes in a folder.

    Files are read once on a machine, and again when their size or time of change differs. Hidden
    files in a folder do not count. Raises UserError where nothing is at the path.
    """
    if existing(str(path)).is_file():
        return f"{path.suffix} {_file_hash(_state(path))}"
    return _folder_hash(path, _states(path))


def keep_in(folder: Path) -> None:
    """Have hashes that take long kept in a folder, where other processes find them."""
    global _kept_in
    _kept_in = folder


_kept_in: Path | None = None
_looked: dict[Path, tuple[float, tuple[State, ...]]] = {}


@functools.lru_cache(maxsize=8)
def _folder_hash(folder: Path, files: tuple[State, ...]) -> str:
    def read() -> str:
        with ThreadPoolExecutor(NUM_THREADS, "hash") as pool:
            hashes = pool.map(_read, files)
            parts = [
                f"{path.relative_to(folder)} {path.suffix} {found}"
                for (path, *_), found in zip(files, hashes, strict=True)
            ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    return _kept(files, read)


@functools.cache
def _file_hash(file: State) -> str:
    return _kept((file,), lambda: _read(file))


@functools.cache
def _read(file: State) -> str:
    with file[0].open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _kept(files: tuple[State, ...], read: Callable[[], str]) -> str:
    """The hash of files as they are now, from the disk if it was kept there."""
    if _kept_in is None or not (len(files) > MANY_FILES or sum(f[1] for f in files) > MANY_BYTES):
        return read()
    kept = _kept_in / "hashes" / hashlib.sha256(repr(files).encode()).hexdigest()[:32]
    if kept.exists():
        return kept.read_text()
    found = read()
    kept.parent.mkdir(parents=True, exist_ok=True)
    new = kept.with_suffix(f".{os.getpid()}")
    new.write_text(found)
    new.replace(kept)
    return found


def _states(folder: Path) -> tuple[State, ...]:
    """The files of a folder as they are now; of many, as they were a while ago."""
    now = time.monotonic()
    look_at, known = _looked.get(folder, (now, ()))
    if now < look_at:
        return known
    found = tuple(map(_state, visible_files(folder)))
    ended_at = time.monotonic()
    if len(found) > MANY_FILES:
        _looked[folder] = ended_at + (ended_at - now) / LOOK_SHARE, found
    return found


def _state(path: Path) -> State:
    info = path.stat()
    return path, info.st_size, info.st_mtime_ns, info.st_ctime_ns
