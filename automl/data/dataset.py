"""Datasets: what a config of one gives, and the seeded split of its rows, kept as mapped files."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from automl import user_code
from automl.config import Config, canonical, decode, encode
from automl.data.arrays import Array, Numbers, chunks, moments, write_rows
from automl.data.checks import check
from automl.data.content_hash import content_hash, keep_in
from automl.data.disk_room import check_room
from automl.data.input_scaling import input_moments
from automl.data.quantiles import input_quantiles
from automl.data.raw_dataset import Column, RawDataset
from automl.data.rows_in_place import Rows, SourceFile, staying
from automl.data.split_rows import split_rows
from automl.data.summary import DataSummary, summarise
from automl.errors import UserError

SOURCE_FILE = "train.inputs.json"
CACHE_VERSION = 7


class Dataset(Config):
    """Base of the configs that load a `RawDataset`, one kind of source per class."""

    def __str__(self) -> str:
        """The config as its user wrote it: without the fields that keep their defaults."""
        own = [f for f in fields(self) if f.init]  # type: ignore[arg-type]
        values = [(f, getattr(self, f.name)) for f in own]
        said = ", ".join(f"{f.name}={value!r}" for f, value in values if value != f.default)
        return f"{type(self).__name__}({said})"

    def load(self) -> RawDataset:
        """All rows. Raises UserError, naming the file and the row, on data that cannot be used."""
        raise NotImplementedError

    def load_into(self, folder: Path) -> RawDataset:
        """All rows, as by `load`. What takes long to make may be kept in the folder, for the next
        time, and inputs may stay there."""
        return self.load()

    def tokenizer_json(self) -> str:
        """The tokenizer that makes a row of a text, as a tokenizer.json; "" where none does."""
        return ""

    def text_column(self) -> str:
        """The name of the column that holds the text, where rows are texts."""
        return "text"

    def licence(self) -> str:
        """The licence of the rows, or where it stands; "" where that is not known."""
        for path in self.given_paths().values():
            beside = path if path.is_dir() else path.parent
            for file in sorted(beside.glob("LICEN[CS]E*")):
                return f"as in {file.name}, beside the data"
        return ""

    def given_paths(self) -> dict[str, Path]:
        """The paths by the names of their fields, without those that are left empty."""
        return {name: Path(own) for name in self.paths if (own := getattr(self, name))}

    def fingerprint(self) -> str:
        """A text that changes whenever the data does: paths count by what they hold.

        A class of a user's own counts with its file's text and what that imports, as in the
        store's keys.
        """
        contents = {name: content_hash(path) for name, path in self.given_paths().items()}
        module = type(self).__module__
        code = user_code.of_module(module) + user_code.of_imports("", (module,))
        return canonical({**encode(self), **contents}) + code


@dataclass(frozen=True, eq=False)
class Split:
    """Some rows of a raw dataset: `inputs` (rows, *raw row), `targets` (rows,) or (rows, outputs).

    `rows` (rows,) are their row numbers in the raw dataset.
    """

    inputs: Array
    targets: Array
    rows: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class TrainingSplit:
    """The training rows, as in `Split`; `inputs` may stay in a file, of which they are some."""

    inputs: Rows
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

    `class_counts`, `inputs`, `quantiles`, and in a regression `targets` are of the training rows;
    `quantiles` are those of each number of a flat row.
    """

    input_shape: tuple[int, ...]
    num_outputs: int
    classes: tuple[str, ...]
    class_counts: tuple[int, ...]
    columns: tuple[Column, ...]
    num_tokens: int
    inputs: Scaling
    targets: Scaling
    quantiles: tuple[Numbers, ...] = ()
    later_fields: ClassVar[Mapping[str, object]] = {"quantiles": ()}


@dataclass(frozen=True, eq=False)
class Data:
    """The rows that a trial sees: training and validation."""

    train: TrainingSplit
    validation: Split
    info: DatasetInfo = field(repr=False)


def evenly(train: TrainingSplit, count: int) -> Split:
    """Training rows, so many at most, evenly from the first to the last."""
    total = len(train.targets)
    chosen = np.linspace(0, total - 1, min(count, total)).round().astype(np.int64)
    return Split(train.inputs[chosen], train.targets[chosen], train.rows[chosen])


def load(dataset: Dataset, seed: int, cache: Path) -> Data:
    """The training and validation rows; the test rows are left to `test_split`."""
    folder = _prepared(dataset, seed, cache)
    return _load(folder, _source(folder))


@functools.lru_cache(maxsize=4)
def _load(folder: Path, source: SourceFile | None) -> Data:
    info: DatasetInfo = decode(json.loads((folder / "info.json").read_text()))
    return Data(_read_training(folder, source), _read(folder, "validation"), info)


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
    keep_in(cache)
    fingerprint = dataset.fingerprint()
    folder = cache / _name([fingerprint, seed, CACHE_VERSION])
    loaded = cache / f"{_name([fingerprint, CACHE_VERSION])}.loaded"
    if _is_whole(folder):
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / "lock"):
        for unfinished in cache.glob("*.new"):
            shutil.rmtree(unfinished)
        if not _is_whole(folder):
            shutil.rmtree(folder, ignore_errors=True)
            new = folder.with_suffix(".new")
            new.mkdir()
            try:
                _prepare(dataset, seed, new, loaded)
                new.rename(folder)
            finally:
                shutil.rmtree(new, ignore_errors=True)
    return folder


def _name(values: list[object]) -> str:
    return hashlib.sha256(canonical(values).encode()).hexdigest()[:32]


def _is_whole(folder: Path) -> bool:
    """True of a prepared folder whose rows are all there, as they were."""
    source = _source(folder) if folder.exists() else None
    return folder.exists() and (source is None or source.is_as_it_was())


def _source(folder: Path) -> SourceFile | None:
    """The file in which the training inputs stay; None where they were copied."""
    file = folder / SOURCE_FILE
    return decode(json.loads(file.read_text())) if file.exists() else None


def _prepare(dataset: Dataset, seed: int, folder: Path, loaded: Path) -> None:
    """Split a dataset into a folder; what it loads into `loaded` stays there only if it is used."""
    try:
        raw = dataset.load_into(loaded)
        check(str(dataset), raw)
    except UserError:
        shutil.rmtree(loaded, ignore_errors=True)
        raise
    parts = dict(zip(("train", "validation", "test"), split_rows(raw, seed), strict=True))
    num_rows = {name: len(rows) for name, rows in parts.items()}
    found = summarise(str(dataset), raw, num_rows, bool(dataset.tokenizer_json()))
    (folder / "summary.json").write_text(canonical(found))
    own = [*(path.absolute() for path in dataset.given_paths().values()), loaded]
    source = staying(raw.inputs, len(parts["train"]), own)
    _write(str(dataset), folder, raw, parts, source)
    if source is None or loaded not in Path(source.path).parents:
        shutil.rmtree(loaded, ignore_errors=True)
    train = _read_training(folder, source)
    targets = train.targets if raw.targets.ndim == 2 else train.targets[:0, None]
    info = DatasetInfo(
        input_shape=raw.input_shape,
        num_outputs=len(raw.classes) or raw.targets.shape[1],
        classes=raw.classes,
        class_counts=_class_counts(train.targets, len(raw.classes)),
        columns=raw.columns,
        num_tokens=raw.num_tokens,
        inputs=Scaling(*input_moments(raw, train.inputs)),
        targets=Scaling(*moments(targets[rows] for rows in chunks(targets))),
        quantiles=input_quantiles(raw, train.inputs),
    )
    (folder / "info.json").write_text(canonical(info))


def _class_counts(targets: Array, num_classes: int) -> tuple[int, ...]:
    return tuple(np.bincount(targets, minlength=num_classes).tolist()) if num_classes else ()


def _write(
    name: str,
    folder: Path,
    raw: RawDataset,
    parts: Mapping[str, NDArray[np.int64]],
    source: SourceFile | None,
) -> None:
    """Write the rows of each part; training inputs that stay in a file are only named."""
    copied = [part for part in parts if part != "train" or source is None]
    row_bytes = raw.inputs.nbytes / len(raw.inputs)
    check_room(name, folder, row_bytes * sum(len(parts[part]) for part in copied))
    for part, rows in parts.items():
        write_rows(folder / f"{part}.targets.npy", raw.targets, rows)
        np.save(folder / f"{part}.rows.npy", rows)
    for part in copied:
        write_rows(folder / f"{part}.inputs.npy", raw.inputs, parts[part])
    if source is not None:
        (folder / SOURCE_FILE).write_text(canonical(source))


def _read(folder: Path, name: str) -> Split:
    """A split whose arrays are mapped, so that processes share their memory."""
    inputs, targets, rows = (
        np.load(folder / f"{name}.{part}.npy", mmap_mode="c")
        for part in ("inputs", "targets", "rows")
    )
    return Split(inputs, targets, rows)


def _read_training(folder: Path, source: SourceFile | None) -> TrainingSplit:
    if source is None:
        return TrainingSplit(**vars(_read(folder, "train")))
    targets, rows = (
        np.load(folder / f"train.{part}.npy", mmap_mode="c") for part in ("targets", "rows")
    )
    return TrainingSplit(source.rows(rows), targets, rows)
