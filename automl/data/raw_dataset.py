"""All rows of a dataset as a source gives them, before they are checked and split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from automl.config import Config
from automl.data.arrays import Array


@dataclass(frozen=True)
class Column(Config):
    """A column of a table: numbers, or codes that stand for `categories`; `commas` tells what these
    mean in the texts of numbers, as `number_texts` names it."""

    name: str
    categories: tuple[str, ...] = ()
    commas: str = ""


@dataclass(frozen=True, eq=False)
class RawDataset:
    """All rows of a dataset as they come, and what they are.

    `inputs` are (rows, *raw row): float32 numbers, uint8 pixels or UTF-8 bytes. `targets` are
    class numbers int64 (rows,); where `classes` is empty the task is a regression, and they are
    float32 (rows, outputs). `input_shape` is the shape in which a model sees a row, e.g.
    (1, 8, 8) for 64 pixels. The last `num_test` rows are the data's own test split, the
    `num_validation` rows before these its own validation split. `columns` describe a table, in
    which NaN is a missing value. `num_tokens` is above zero for text. `row_name` tells the user
    where a row stands, e.g. "line 7 of a.csv". `target` is the name of the target's column, where
    the data has one. `notes` are sentences on what was left out, or read otherwise than it stands.
    """

    inputs: Array
    targets: Array
    input_shape: tuple[int, ...]
    classes: tuple[str, ...] = ()
    num_test: int = 0
    columns: tuple[Column, ...] = ()
    num_tokens: int = 0
    row_name: Callable[[int], str] = "row {} (counted from 0)".format
    num_validation: int = 0
    target: str = ""
    notes: tuple[str, ...] = ()

    @property
    def num_learned(self) -> int:
        """The number of rows that are in no validation or test split of the data's own."""
        return len(self.targets) - self.num_validation - self.num_test
