"""Datasets: what a config of one gives, and the seeded split of its rows, kept as mapped files."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from automl import user_code
from automl.config import Config, canonical, decode, encode
from automl.data.arrays import Array, Numbers, chunks, moments, write_rows
from automl.data.checks import check
from automl.data.content_hash import content_hash
from automl.data.raw_dataset import Column, RawDataset
from automl.data.summary import DataSummary, summarise

VALIDATION_SHARE = 0.2
TEST_SHARE = 0.2
MAX_VALIDATION_ROWS = 5_000
CACHE_VERSION = 4


class Dataset(Config):
    """Base of the configs that load a `RawDataset`, one kind of source per class."""

    def __str__(self) -> str:
        """The config as its user wrote it: without the fields that keep their defaults."""
        values = [(f, getattr(self, f.name)) for f in fields(self)]  # type: ignore[arg-type]
        said = ", ".join(f"{f.name}={value!r}" for f, value in values if value != f.default)
        return f"{type(self).__name__}({said})"

    def load(self) -> RawDataset:
        """All rows. Raises UserError, naming the file and the row, on data that cannot be used."""
        raise NotImplementedError

    def tokenizer_json(self) -> str:
        """The tokenizer that makes a row of a text, as a tokenizer.json; "" where none does."""
        return ""

    def text_column(self) -> str:
        """The name of the column that holds the text, where rows are texts."""
        return "text"

    def fingerprint(self) -> str:
        """A text that changes whenever the data does: paths count by what they hold.

        A class of a user's own counts with its file's text, as in the store's keys.
        """
        contents = {name: content_hash(Path(getattr(self, name))) for name in self.paths}
        code = user_code.of_module(type(self).__module__)
        return canonical({**encode(self), **contents}) + code


@dataclass(frozen=True, eq=False)
class Split:
    """Some rows of a raw dataset: `inputs` (rows, *raw row), `targets` (rows,) or (rows, outputs).

    `rows` (rows,) are their row numbers in the raw dataset.
    """

    inputs: Array
    targets: Array
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Scaling(Config):
    """A shift and a divisor of inputs or targets: one number per channel or column."""

    mean: Numbers
    std: Numbers


@dataclass(frozen=True)
class DatasetInfo(Config):
    """All that is known of a dataset beside its rows.

    `class_counts`, `inputs`, and in a regression `targets` are of the training rows.
    """

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
    """The rows that a trial sees: training and validation."""

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


def summary(dataset: Dataset, seed: int, cache: Path) -> DataSummary:
    """The summary of what was read, and of the split, for people."""
    folder = _prepared(dataset, seed, cache)
    found: DataSummary = decode(json.loads((folder / "summary.json").read_text()))
    return replace(found, source=str(dataset))


def summaries(datasets: Iterable[tuple[Dataset, int]], cache: Path) -> list[DataSummary]:
    """A summary of each different dataset, with the seed of its split."""
    found = [summary(dataset, seed, cache) for dataset, seed in datasets]
    return list({(one.source, one.num_train): one for one in found}.values())


def test_split(dataset: Dataset, seed: int, cache: Path) -> Split:
    """The test rows, which no search sees: only for the export and for `front --test`."""
    return _read(_prepared(dataset, seed, cache), "test")


def _prepared(dataset: Dataset, seed: int, cache: Path) -> Path:
    """The folder with a dataset's split as arrays to map, made once on a machine."""
    text = canonical([dataset.fingerprint(), seed, CACHE_VERSION])
    folder = cache / hashlib.sha256(text.encode()).hexdigest()[:32]
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "lock"):
        for unfinished in cache.glob("*.new"):
            shutil.rmtree(unfinished)
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
    raw = dataset.load()
    check(str(dataset), raw)
    parts = dict(zip(("train", "validation", "test"), _rows(raw, seed), strict=True))
    num_rows = {name: len(rows) for name, rows in parts.items()}
    found = summarise(str(dataset), raw, num_rows, bool(dataset.tokenizer_json()))
    (folder / "summary.json").write_text(canonical(found))
    for name, rows in parts.items():
        write_rows(folder / f"{name}.inputs.npy", raw.inputs, rows)
        write_rows(folder / f"{name}.targets.npy", raw.targets, rows)
        np.save(folder / f"{name}.rows.npy", rows)
    train = _read(folder, "train")
    targets = train.targets if raw.targets.ndim == 2 else train.targets[:0, None]
    info = DatasetInfo(
        input_shape=raw.input_shape,
        num_outputs=len(raw.classes) or raw.targets.shape[1],
        classes=raw.classes,
        class_counts=_class_counts(train.targets, len(raw.classes)),
        columns=raw.columns,
        num_tokens=raw.num_tokens,
        inputs=_input_scaling(raw, train.inputs),
        targets=Scaling(*moments(targets[rows] for rows in chunks(targets))),
    )
    (folder / "info.json").write_text(canonical(info))


def _class_counts(targets: Array, num_classes: int) -> tuple[int, ...]:
    return tuple(np.bincount(targets, minlength=num_classes).tolist()) if num_classes else ()


def _rows(raw: RawDataset, seed: int) -> tuple[NDArray[np.int64], ...]:
    """Row numbers for training, validation and test, each class in the same shares.

    Each class has at least one row in each part, which scikit-learn's stratified splits do not
    promise to a class of few rows.
    """
    rng, count = np.random.default_rng(seed), raw.num_learned
    share = min(VALIDATION_SHARE, MAX_VALIDATION_ROWS / count)
    strata = raw.targets[:count] if raw.classes else np.zeros(count, np.int64)
    parts: tuple[list[NDArray[np.int64]], ...] = ([], [], [])
    for stratum in np.unique(strata):
        rows = rng.permutation(np.flatnonzero(strata == stratum))
        num_validation = 0 if raw.num_validation else max(1, round(share * len(rows)))
        num_test = 0 if raw.num_test else max(1, round(TEST_SHARE * len(rows)))
        bounds = [len(rows) - num_validation - num_test, len(rows) - num_test]
        for part, chosen in zip(parts, np.split(rows, bounds), strict=True):
            part.append(chosen)
    train, validation, test = (np.sort(np.concatenate(part)) for part in parts)
    own_validation, own_test = np.split(np.arange(count, len(raw.targets)), [raw.num_validation])
    return (
        train,
        own_validation if raw.num_validation else validation,
        own_test if raw.num_test else test,
    )


def _read(folder: Path, name: str) -> Split:
    """A split whose arrays are mapped, so that processes share their memory."""
    inputs, targets, rows = (
        np.load(folder / f"{name}.{part}.npy", mmap_mode="c")
        for part in ("inputs", "targets", "rows")
    )
    return Split(inputs, targets, rows)


def _input_scaling(raw: RawDataset, inputs: Array) -> Scaling:
    """The scaling of training inputs: per channel of an image or a series, per column of a row,
    and none of text."""
    if raw.num_tokens:
        return Scaling((), ())
    pieces = (inputs[rows] for rows in chunks(inputs))
    if raw.columns:
        numeric = [i for i, column in enumerate(raw.columns) if not column.categories]
        pieces = (piece[:, numeric] for piece in pieces)
    elif len(raw.input_shape) > 1:
        shape, channels = (-1, *raw.input_shape), raw.input_shape[0]
        pieces = (
            np.moveaxis(piece.reshape(shape), 1, -1).reshape(-1, channels) for piece in pieces
        )
    return Scaling(*moments(pieces))
