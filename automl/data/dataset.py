"""What every dataset gives, and the one seeded split that a search sees, kept as mapped files."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import inspect
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl import user_code
from automl.config import Config, canonical, decode, encode
from automl.data.reading import existing, visible_files
from automl.errors import UserError

VALIDATION_SHARE = 0.2
TEST_SHARE = 0.2
MAX_VALIDATION_ROWS = 5_000
CHUNK_BYTES = 8 << 20
CACHE_VERSION = 2


@dataclass(frozen=True)
class Column(Config):
    """A column of a table: numbers, or codes that stand for `categories`."""

    name: str
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class RawDataset:
    """All rows of a dataset as they come, and what they are.

    `inputs` are (rows, *raw row): float32 numbers, or uint8 pixels or UTF-8 bytes; `targets`
    are class numbers int64 (rows,), or float32 (rows, outputs) where `classes` is empty: a
    regression. `input_shape` is what a model sees of one row, e.g. (1, 8, 8) for 64 pixels.
    The last `num_test` rows are the source's own test split. `columns` describe a table, in
    which NaN is a missing value; `num_tokens` is above zero for text. `place` tells where the
    user finds a row, e.g. "line 7 of a.csv".
    """

    inputs: NDArray[Any]
    targets: NDArray[Any]
    input_shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    num_test: int = 0
    columns: tuple[Column, ...] = ()
    num_tokens: int = 0
    place: Callable[[int], str] = "row {} (counted from 0)".format


class Dataset(Config):
    """A config that loads a `RawDataset`."""

    def load(self) -> RawDataset:
        """Raises UserError, naming the file and the row, on data that cannot be used."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """A text that changes whenever the data does: paths count by what they hold.

        A class of a space file counts with that file's text, as in the store's keys.
        """
        contents = {name: content_hash(Path(getattr(self, name))) for name in self.paths}
        code = _space_code(type(self).__module__) if self.from_space_file() else ""
        return canonical({**encode(self), **contents}) + code


@dataclass(frozen=True, eq=False)
class Split:
    """Some rows of a source, with their row numbers in it."""

    inputs: NDArray[Any]
    targets: NDArray[Any]
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Scaling(Config):
    """What inputs are shifted and divided by: one number per channel or column."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class DatasetInfo(Config):
    """All that is known of a set beside its rows. `class_counts`, `inputs`, and in a regression
    `targets` are of the training rows."""

    input_shape: tuple[int, ...]
    num_outputs: int
    classes: tuple[str, ...]
    class_counts: tuple[int, ...]
    columns: tuple[Column, ...]
    num_tokens: int
    inputs: Scaling
    targets: Scaling


@dataclass(frozen=True, eq=False)
class Data:
    """What a trial sees: training and validation rows."""

    train: Split
    validation: Split
    info: DatasetInfo = field(repr=False)


def load(dataset: Dataset, seed: int, cache: Path) -> Data:
    """The training and validation rows; the test rows are left to `test_split`."""
    return _load(_prepared(dataset, seed, cache))


@functools.lru_cache(maxsize=4)
def _load(folder: Path) -> Data:
    info: DatasetInfo = decode(json.loads((folder / "info.json").read_text()))
    return Data(_read(folder, "train"), _read(folder, "validation"), info)


def test_split(dataset: Dataset, seed: int, cache: Path) -> Split:
    """The untouched rows: only for the export and for `front --test`."""
    return _read(_prepared(dataset, seed, cache), "test")


@functools.lru_cache
def _space_code(module: str) -> str:
    return user_code.fingerprint(inspect.getsource(sys.modules[module]))


@functools.cache
def _file_hash(path: Path, size: int, changed_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=8)
def _folder_hash(folder: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    parts = [f"{f[0].relative_to(folder)} {f[0].suffix} {_file_hash(*f)}" for f in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def content_hash(path: Path) -> str:
    """The hash of a file's ending and bytes, or of all names and bytes in a folder; "" of no path.

    Files are read once per process, and again when their size or time of change differs.
    What is hidden in a folder does not count.
    """
    if path == Path():
        return ""
    if existing(str(path)).is_file():
        return f"{path.suffix} {_file_hash(*_state(path))}"
    return _folder_hash(path, tuple(map(_state, visible_files(path))))


def _state(path: Path) -> tuple[Path, int, int]:
    info = path.stat()
    return path, info.st_size, info.st_mtime_ns


def _prepared(dataset: Dataset, seed: int, cache: Path) -> Path:
    """The folder with a set's split as arrays to map, made once on a machine."""
    text = canonical([dataset.fingerprint(), seed, CACHE_VERSION])
    folder = cache / hashlib.sha256(text.encode()).hexdigest()[:32]
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in cache.glob("*.new"):
            shutil.rmtree(left)
        if not folder.exists():
            new = folder.with_suffix(".new")
            new.mkdir()
            try:
                _prepare(dataset, seed, new)
                new.rename(folder)
            finally:
                shutil.rmtree(new, ignore_errors=True)
    return folder


def _prepare(dataset: Dataset, seed: int, folder: Path) -> None:
    source = dataset.load()
    _check(dataset, source)
    parts = dict(zip(("train", "validation", "test"), _rows(source, seed), strict=True))
    for name, rows in parts.items():
        _write(folder / f"{name}.inputs.npy", source.inputs, rows)
        _write(folder / f"{name}.targets.npy", source.targets, rows)
        np.save(folder / f"{name}.rows.npy", rows)
    train = _read(folder, "train")
    targets = train.targets if source.targets.ndim == 2 else train.targets[:0, None]
    info = DatasetInfo(
        input_shape=source.input_shape,
        num_outputs=len(source.classes) or source.targets.shape[1],
        classes=source.classes,
        class_counts=_counts(train.targets, len(source.classes)),
        columns=source.columns,
        num_tokens=source.num_tokens,
        inputs=_input_scaling(source, train.inputs),
        targets=_scaling(targets[rows] for rows in _chunks(targets)),
    )
    (folder / "info.json").write_text(canonical(info))


def _check(dataset: Dataset, source: RawDataset) -> None:
    """Raise UserError on values that cannot be learned from."""
    num_searched = len(source.inputs) - source.num_test
    if num_searched < 10:
        raise UserError(
            f"{dataset}: it has {num_searched} rows to learn from; at least 10 are needed"
        )
    for name, values in (("inputs", source.inputs), ("targets", source.targets)):
        columns = source.columns if name == "inputs" else ()
        bad = np.isinf if columns else _not_finite
        for rows in _chunks(values) if values.dtype.kind == "f" else ():
            if (found := np.argwhere(bad(values[rows]))).size:
                row, *place = found[0].tolist()
                where = f" of column {columns[place[0]].name!r}" if columns else ""
                raise UserError(
                    f"{dataset}: {source.place(rows.start + row)}{where} holds a value that is not "
                    f"finite among its {name}; remove or fill it"
                )
    if source.classes:
        _check_classes(dataset, source)
    else:
        _check_outputs(dataset, source.targets[:num_searched])


def _check_outputs(dataset: Dataset, targets: NDArray[Any]) -> None:
    constant = np.flatnonzero((targets == targets[0]).all(0))
    if constant.size:
        which = f" in output {constant[0]} (counted from 0)" if targets.shape[1] > 1 else ""
        raise UserError(
            f"{dataset}: the target is the same in every row to learn from{which}; "
            "choose one that differs"
        )


def _check_classes(dataset: Dataset, source: RawDataset) -> None:
    names, targets = source.classes, source.targets
    if (outside := np.flatnonzero((targets < 0) | (targets >= len(names)))).size:
        row = int(outside[0])
        raise UserError(
            f"{dataset}: {source.place(row)} has the label {targets[row]}, "
            f"outside 0 to {len(names) - 1}; correct or remove it"
        )
    if len(names) < 2:
        raise UserError(f"{dataset}: there is only the class {names[0]!r}; two are needed")
    searched = targets[: len(targets) - source.num_test]
    counts, least = np.bincount(searched, minlength=len(names)), 2 if source.num_test else 3
    if counts.min() < least:
        target = int(counts.argmin())
        places = ", ".join(map(source.place, np.flatnonzero(searched == target).tolist()))
        raise UserError(
            f"{dataset}: class {names[target]!r} appears {counts.min()} times among the rows "
            f"to learn from ({places or 'none'}); every class needs at least {least} rows, "
            "one for each split"
        )


def _counts(targets: NDArray[Any], num_classes: int) -> tuple[int, ...]:
    return tuple(np.bincount(targets, minlength=num_classes).tolist()) if num_classes else ()


def _not_finite(values: NDArray[Any]) -> Any:
    return ~np.isfinite(values)


def _rows(source: RawDataset, seed: int) -> tuple[NDArray[np.int64], ...]:
    """Row numbers for training, validation and test, each class in the same shares."""
    rng, count = np.random.default_rng(seed), len(source.targets) - source.num_test
    share = min(VALIDATION_SHARE, MAX_VALIDATION_ROWS / count)
    strata = source.targets[:count] if source.classes else np.zeros(count, np.int64)
    parts: tuple[list[NDArray[np.int64]], ...] = ([], [], [])
    for stratum in np.unique(strata):
        rows = rng.permutation(np.flatnonzero(strata == stratum))
        num_validation = max(1, round(share * len(rows)))
        num_test = 0 if source.num_test else max(1, round(TEST_SHARE * len(rows)))
        bounds = [len(rows) - num_validation - num_test, len(rows) - num_test]
        for part, chosen in zip(parts, np.split(rows, bounds), strict=True):
            part.append(chosen)
    train, validation, test = (np.sort(np.concatenate(part)) for part in parts)
    own = np.arange(count, len(source.targets))
    return train, validation, own if source.num_test else test


def _write(path: Path, values: NDArray[Any], rows: NDArray[np.int64]) -> None:
    """Some rows as an .npy file, a piece at a time."""
    shape = (len(rows), *values.shape[1:])
    file = np.lib.format.open_memmap(path, mode="w+", dtype=values.dtype, shape=shape)
    for chunk in _chunks(file):
        file[chunk] = values[rows[chunk]]
    file.flush()


def _read(folder: Path, name: str) -> Split:
    """A split whose arrays are mapped, so that processes share their memory."""
    inputs, targets, rows = (
        np.load(folder / f"{name}.{part}.npy", mmap_mode="c")
        for part in ("inputs", "targets", "rows")
    )
    return Split(inputs, targets, rows)


def _chunks(values: NDArray[Any]) -> Iterator[slice]:
    """Where to cut the rows into pieces of at most `CHUNK_BYTES`, or of one row."""
    size = max(1, CHUNK_BYTES // max(1, values[:1].nbytes))
    for start in range(0, len(values), size):
        yield slice(start, start + size)


def _input_scaling(source: RawDataset, inputs: NDArray[Any]) -> Scaling:
    """Per channel of an image or a series, per column of a row; none of text."""
    if source.num_tokens:
        return Scaling((), ())
    if source.columns:
        numeric = [i for i, column in enumerate(source.columns) if not column.categories]
        return _scaling(inputs[rows][:, numeric] for rows in _chunks(inputs))
    if len(source.input_shape) == 1:
        return _scaling(inputs[rows] for rows in _chunks(inputs))
    shape, channels = (-1, *source.input_shape), source.input_shape[0]
    return _scaling(
        np.moveaxis(inputs[rows].reshape(shape), 1, -1).reshape(-1, channels)
        for rows in _chunks(inputs)
    )


def _scaling(chunks: Iterator[NDArray[Any]]) -> Scaling:
    """Mean and deviation of each column; missing values do not count, constant ones keep 1."""
    sums = [_sums(chunk) for chunk in chunks]
    count, total, squares = np.sum(sums, 0) if sums else np.zeros((3, 0))
    mean = total / np.maximum(count, 1)
    variance = squares / np.maximum(count, 1) - mean**2
    std = np.sqrt(np.where(variance > 1e-12 * np.maximum(mean**2, 1e-12), variance, 1.0))
    return Scaling(tuple(mean.tolist()), tuple(std.tolist()))


def _sums(chunk: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """How many values of each column are known, their sum, and that of their squares."""
    values = chunk.astype(np.float64)
    known = np.isfinite(values)
    values[~known] = 0
    return known.sum(0), values.sum(0), np.square(values, out=values).sum(0)
