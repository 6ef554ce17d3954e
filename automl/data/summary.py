"""A summary of what was read of a dataset, said in words before anything runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from automl.config import Config
from automl.data.arrays import Array, chunks
from automl.data.raw_dataset import Column, RawDataset

MAX_CLASSES, MAX_COLUMNS, MAX_OUTPUTS, MAX_SHORT_CLASSES = 20, 40, 3, 5
NUM_EXAMPLES = 2


@dataclass(frozen=True)
class ColumnSummary(Config):
    """A column of a table: `kind` is "numbers" or e.g. "3 categories"; `examples` are values."""

    name: str
    kind: str
    missing_share: float
    examples: tuple[str, ...]


@dataclass(frozen=True)
class ClassSummary(Config):
    """A class and the number of all rows that have it."""

    name: str
    rows: int


@dataclass(frozen=True)
class DataSummary(Config):
    """The summary of what was read of a dataset, all rows counted.

    `source` is the dataset as the user wrote it, `target` the name of the target's column ("" of
    data without names), `task` "classification" or "regression", `row` what a row is in words.
    `classes` are those of a classification; `outputs` are the least, mean and greatest value of
    each output of a regression. `notes` are sentences on what was left out, or read otherwise than
    it stands, and why. `own_validation` and `own_test` tell that the data brought these splits.
    """

    source: str
    target: str
    task: str
    row: str
    num_rows: int
    classes: tuple[ClassSummary, ...]
    outputs: tuple[tuple[float, float, float], ...]
    columns: tuple[ColumnSummary, ...]
    notes: tuple[str, ...]
    num_train: int
    num_validation: int
    num_test: int
    own_validation: bool
    own_test: bool

    def text(self) -> str:
        """All of it, some lines: rows, target, columns, notes and the split."""
        lines = [f"data: {self.source}", f"rows: {self.num_rows:,}, each {self.row}"]
        lines += [f"{self._target()}: {self._answers(MAX_CLASSES)}", *_table(self.columns)]
        return "\n".join([*lines, f"split: {self._split()}", *self._notes()])

    def short_text(self) -> str:
        """The summary in a line, and one for each note."""
        what = f"{self.num_rows:,} rows, each {self.row}"
        answers = f"{self._target()}: {self._answers(MAX_SHORT_CLASSES)}"
        return "\n".join([f"data: {what}; {answers}; {self._split()}", *self._notes()])

    def _notes(self) -> list[str]:
        return [f"note: {note}" for note in self.notes]

    def _target(self) -> str:
        return f"target {self.target}" if self.target else "target"

    def _answers(self, most: int) -> str:
        if not self.classes:
            ranges = [f"{low:.4g} to {high:.4g}" for low, _, high in self.outputs]
            what = "a number" if len(ranges) == 1 else f"{len(ranges)} numbers"
            return f"{what} to predict (regression), {_listed(ranges, MAX_OUTPUTS, '; ')}"
        shown = [f"{one.name} ({one.rows:,})" for one in self.classes]
        return f"{len(shown)} classes (classification), {_listed(shown, most, ', ')}"

    def _split(self) -> str:
        validation, test = (
            "the data's own" if own else "drawn" for own in (self.own_validation, self.own_test)
        )
        return (
            f"{self.num_train:,} rows to train, {self.num_validation:,} to validate "
            f"({validation}), {self.num_test:,} to test ({test})"
        )


def summarise(
    source: str, raw: RawDataset, num_rows: Mapping[str, int], tokenizer: bool = False
) -> DataSummary:
    """The summary of raw rows, of which `num_rows` are in the splits train, validation, test."""
    counts = np.bincount(raw.targets, minlength=len(raw.classes)).tolist() if raw.classes else []
    return DataSummary(
        source=source,
        target=raw.target,
        task="classification" if raw.classes else "regression",
        row=_row(raw, tokenizer),
        num_rows=len(raw.targets),
        classes=tuple(map(ClassSummary, raw.classes, counts)),
        outputs=() if raw.classes else _outputs(raw.targets),
        columns=tuple(_column(c, raw.inputs[:, i]) for i, c in enumerate(raw.columns)),
        notes=raw.notes,
        num_train=num_rows["train"],
        num_validation=num_rows["validation"],
        num_test=num_rows["test"],
        own_validation=raw.num_validation > 0,
        own_test=raw.num_test > 0,
    )


def _row(raw: RawDataset, tokenizer: bool) -> str:
    """A row in words."""
    shape = raw.input_shape
    if raw.num_tokens:
        return f"a text of at most {shape[0]} {'token ids' if tokenizer else 'bytes'}"
    if raw.columns:
        return f"{len(raw.columns)} column{'s' * (len(raw.columns) != 1)}"
    if len(shape) == 3:
        channels, height, width = shape
        colours = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
        return f"an image of {height} x {width} pixels (height x width), {colours}"
    if len(shape) == 2:
        return f"a series of {shape[0]} channel{'s' * (shape[0] != 1)} of {shape[1]} steps"
    return f"{math.prod(shape)} numbers"


def _outputs(targets: Array) -> tuple[tuple[float, float, float], ...]:
    return tuple(
        (float(column.min()), float(column.mean(dtype=np.float64)), float(column.max()))
        for column in targets.T
    )


def _column(column: Column, values: Array) -> ColumnSummary:
    kind = f"{len(column.categories)} categories" if column.categories else "numbers"
    missing = sum(int(np.isnan(values[rows]).sum()) for rows in chunks(values))
    shown = tuple(islice(_examples(column, values), NUM_EXAMPLES))
    return ColumnSummary(column.name, kind, missing / len(values), shown)


def _examples(column: Column, values: NDArray[np.float32]) -> list[str]:
    """The first different values of a column, of its first thousand rows."""
    known = values[:1000][~np.isnan(values[:1000])]
    different = dict.fromkeys(known.tolist())
    if column.categories:
        return [column.categories[int(code)] for code in different]
    return [f"{number:.6g}" for number in different]


def _table(columns: Sequence[ColumnSummary]) -> list[str]:
    """A line for each column."""
    shown = columns[:MAX_COLUMNS]
    width = max((len(column.name) for column in shown), default=0)
    kinds = max((len(column.kind) for column in shown), default=0)
    lines = [
        f"  {c.name:{width}}  {c.kind:{kinds}}  {_percent(c.missing_share):>7} missing  "
        f"e.g. {', '.join(c.examples)}"
        for c in shown
    ]
    more = len(columns) - len(shown)
    return lines + [f"  and {more} more columns"] * (more > 0)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _listed(shown: Sequence[str], most: int, joint: str) -> str:
    more = len(shown) - most
    return joint.join(shown[:most]) + (f" and {more} more" if more > 0 else "")
