"""Datasets of Hugging Face's `datasets` and of torchvision, which are optional packages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl.data.arrays import Array
from automl.data.dataset import Dataset
from automl.data.image_folder import check_pixels, stacked
from automl.data.optional_packages import package
from automl.data.pixels import pixels
from automl.data.precision import check_precision
from automl.data.raw_dataset import RawDataset
from automl.data.reading import coded, existing, listed
from automl.data.text import checked_label, tokens
from automl.data.text_bytes import checked
from automl.data.tokenizer import tokenizer_json
from automl.errors import UserError, described
from automl.field_types import Count

if TYPE_CHECKING:
    import datasets
    import torchvision

_RowName: TypeAlias = Callable[[int], str]


@dataclass(frozen=True)
class HuggingFace(Dataset):
    """A dataset by its `name` on the hub, or the folder `path` that `save_to_disk` wrote.

    The column `input` is by default the only other column beside `label`. It holds images, which
    get the `size` (height, width) and `channels`; texts, which are cut at `length` bytes, or at
    `length` ids of the `tokenizer`, as of a `Text`; or lists of numbers, all of equal length.
    Labels are named classes, integers or texts; decimal numbers are a regression. `test_split`
    and `validation_split` name the test and the validation split, where the dataset has them.
    """

    name: str = ""
    path: str = ""
    config: str = ""
    input: str = ""
    label: str = "label"
    split: str = "train"
    test_split: str = "test"
    size: tuple[Count, ...] = ()
    channels: int = 3
    length: Count = 128
    tokenizer: str = ""
    validation_split: str = "validation"
    paths: ClassVar[tuple[str, ...]] = ("path", "tokenizer")

    def load(self) -> RawDataset:
        check_pixels(self, self.size, self.channels)
        splits = self._splits()
        names = self._names(splits)
        parts = [splits[name].with_format(None) for name in names]
        chosen = self._input_column(parts)
        ends = np.cumsum([len(part) for part in parts]).tolist()

        def row_name(row: int) -> str:
            part = next(number for number, end in enumerate(ends) if row < end)
            number = row - (ends[part] - len(parts[part]))
            return f"row {number} (counted from 0) of the split {names[part]!r} of {self}"

        columns = [chosen, self.label]
        try:
            rows = _package(self, "datasets").concatenate_datasets(
                [part.select_columns(columns) for part in parts]
            )
            rows.data.validate(full=True)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"{self}: the splits {', '.join(names)} hold {chosen!r} or {self.label!r} of "
                f"unlike types, or damaged ({described(error)}); make them alike"
            ) from None
        inputs, num_tokens = self._inputs(rows, chosen, row_name)
        targets, classes = _targets(rows, self.label, row_name)
        sizes = dict(zip(names, map(len, parts), strict=True))
        validation, test = self._held_out()
        return RawDataset(
            inputs,
            targets,
            inputs.shape[1:],
            classes,
            num_test=sizes.get(test, 0),
            num_tokens=num_tokens,
            row_name=row_name,
            num_validation=sizes.get(validation, 0),
            target=self.label,
            notes=self._left_out(splits, names),
        )

    def _names(self, splits: Mapping[str, datasets.Dataset]) -> list[str]:
        """The splits to load: training, then validation and test where there are such."""
        names = [self.split]
        for name, usual in zip(self._held_out(), _USUAL, strict=True):
            if name and (name != usual or name in splits):
                names.append(name)
        for name in names:
            if not splits.get(name):
                filled = [other for other, rows in splits.items() if rows]
                raise UserError(
                    f"{self}: the split {name!r} has no rows; there is {filled} (an empty "
                    "test_split or validation_split takes these rows from the split)"
                )
        return names

    def _held_out(self) -> tuple[str, str]:
        """The validation and the test split; "" where there is none, or its rows have another use.

        Of two that are the same, that which has its usual name gives way.
        """
        validation, test = self.validation_split, self.test_split
        if validation == test and test not in ("", *_USUAL):
            raise UserError(
                f"{self}: the split {test!r} cannot both validate and test; name another, or leave "
                "one empty: its rows are taken from the other splits"
            )
        is_one = validation == test
        return (
            "" if validation == self.split or (is_one and validation == _USUAL[0]) else validation,
            "" if test == self.split or (is_one and test == _USUAL[1]) else test,
        )

    def _left_out(
        self, splits: Mapping[str, datasets.Dataset], names: Sequence[str]
    ) -> tuple[str, ...]:
        """A note on the splits that are not read."""
        others = [name for name in splits if name not in names]
        return (f"the splits {', '.join(others)} are left out",) if others else ()

    def _input_column(self, parts: Sequence[datasets.Dataset]) -> str:
        features = parts[0].features
        others = [name for name in features if name != self.label]
        chosen = self.input or (others[0] if len(others) == 1 else "")
        if chosen not in others or len(others) == len(features):
            raise UserError(f"{self}: choose `input` and `label` of {listed([*features])}")
        for part in parts[1:]:
            for name in sorted({chosen, self.label} - {*part.features}):
                raise UserError(f"{self}: column {name!r} is not in all splits; add it there")
        return chosen

    def tokenizer_json(self) -> str:
        return tokenizer_json(self.tokenizer, self.length) if self.tokenizer else ""

    def text_column(self) -> str:
        return self.input or super().text_column()

    def _splits(self) -> dict[str, datasets.Dataset]:
        if bool(self.name) == bool(self.path):
            raise UserError(f"{self}: give either the name on the hub or the path of a folder")
        package = _package(self, "datasets")
        folder = str(existing(self.path)) if self.path else ""
        try:
            if self.name:
                found = package.load_dataset(self.name, self.config or None)
            else:
                found = package.load_from_disk(folder)
        # Of any kind: files that are damaged raise whatever their reader runs into.
        except Exception as error:
            raise UserError(
                f"{self} cannot be loaded: {described(error)}; check its name and rows"
            ) from error
        return found if isinstance(found, dict) else {self.split: found}

    def _inputs(self, rows: datasets.Dataset, column: str, row_name: _RowName) -> tuple[Array, int]:
        """Images, texts or numbers (rows, *raw row), and the number of tokens; 0 but for text."""
        feature = rows.features[column]
        if type(feature).__name__ == "Image":
            images = _images(rows[column], self.size, self.channels, row_name)
            return stacked(images, len(rows), row_name), 0
        if getattr(feature, "dtype", "") in ("string", "large_string"):
            texts = [checked(text, row_name(row)) for row, text in enumerate(rows[column])]
            return tokens(texts, self.length, self.tokenizer)
        # Of itself the format makes float32 of float64, without a word on what that loses.
        numbers = np.asarray(rows.with_format("numpy", dtype=np.float64)[column][:])
        if numbers.dtype.kind not in "buif" or numbers.ndim < 2:
            raise UserError(
                f"{self}: column {column!r} holds {feature}; images, texts and lists of numbers "
                "of one length can be an `input`"
            )
        with np.errstate(over="ignore"):
            inputs = numbers.astype(np.float32)
        check_precision(
            lambda number: f"{self}: position {number} (counted from 0) of column {column!r}",
            numbers,
            inputs,
        )
        return inputs, 0


_USUAL = HuggingFace.validation_split, HuggingFace.test_split


@dataclass(frozen=True)
class Torchvision(Dataset):
    """A class of torchvision.datasets that takes `train`; `root` holds its files already."""

    name: str
    root: str
    paths: ClassVar[tuple[str, ...]] = ("root",)

    def load(self) -> RawDataset:
        kind = getattr(_package(self, "torchvision").datasets, self.name, None)
        if kind is None:
            raise UserError(f"{self}: torchvision.datasets has no {self.name!r}; correct the name")
        try:
            parts = [kind(str(existing(self.root)), train=t, download=False) for t in (True, False)]
        except (RuntimeError, TypeError) as error:
            raise UserError(f"{self} cannot be loaded: {error}; look into {self.root}") from None
        if not len(parts[1]):
            raise UserError(f"{self}: its test split has no rows; look into {self.root}")
        inputs, targets = (np.concatenate(arrays) for arrays in zip(*map(_arrays, parts)))
        names = getattr(parts[0], "classes", range(int(targets.max()) + 1))
        classes = tuple(str(name) for name in names)
        return RawDataset(inputs, targets, inputs.shape[1:], classes, num_test=len(parts[1]))


def _package(user: Dataset, name: str) -> ModuleType:
    kind = type(user).__name__
    return package(name, kind, kind.lower())


def _images(
    column: Sequence[Image.Image], size: tuple[int, ...], channels: int, row_name: _RowName
) -> Iterator[NDArray[np.uint8]]:
    for row in range(len(column)):
        try:
            yield pixels(column[row], size, channels)
        except (OSError, SyntaxError, ValueError, AttributeError) as error:
            raise UserError(f"{row_name(row)} does not decode ({error}); remove it") from None


def _targets(
    rows: datasets.Dataset, column: str, row_name: _RowName
) -> tuple[Array, tuple[str, ...]]:
    """Class numbers (rows,) and names, or a regression's numbers (rows, outputs) and no names."""
    labels = rows[column][:]
    if None in labels:
        raise UserError(f"{row_name(labels.index(None))} has no {column!r}; fill or remove it")
    if hasattr(rows.features[column], "names"):
        return np.array(labels, np.int64), tuple(rows.features[column].names)
    if isinstance(labels[0], str | int):
        said = [checked_label(label, column, row_name(i)) for i, label in enumerate(labels)]
        classes, targets = coded(said)
        return targets, classes
    try:
        exact = np.array(labels, np.float64).reshape(len(labels), -1)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{column!r} of {row_name(0)} is no label: {error}; choose another"
        ) from None
    with np.errstate(over="ignore"):
        numbers = exact.astype(np.float32)
    check_precision(lambda _: f"{column!r} of {row_name(0)}", exact, numbers)
    return numbers, ()


def _arrays(part: torchvision.datasets.VisionDataset) -> tuple[Array, NDArray[np.int64]]:
    """The images (rows, channels, height, width) and class numbers (rows,) of a part."""
    if not (hasattr(part, "data") and hasattr(part, "targets")):
        pairs = list(part)
        images = stacked(
            (pixels(image, (), 3) for image, _ in pairs), len(pairs), "image {}".format
        )
        return images, np.array([target for _, target in pairs], np.int64)
    data = np.asarray(part.data)
    images = data[:, None] if data.ndim == 3 else np.moveaxis(data, -1, 1)
    return images, np.asarray(part.targets, np.int64)
