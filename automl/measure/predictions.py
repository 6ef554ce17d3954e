"""Answers of an exported file and of its uncompressed parent on the same rows, compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Generic, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from automl.data.dataset import Split
from automl.runtimes import onnx

T = TypeVar("T")
U = TypeVar("U")
A = TypeVar("A", str, tuple[float, ...])
MAX_LARGEST = 100
Became: TypeAlias = Literal["wrong", "right", "otherwise wrong"]
Confusion: TypeAlias = tuple[tuple[int, ...], ...]
"""Counts of rows, `[true class][answered class]`."""


@dataclass(frozen=True)
class BeforeAfter(Generic[T]):
    """A figure of the file (`after` compression) and of its uncompressed parent (`before`).

    `before` is None where nothing was compressed.
    """

    before: T | None
    after: T

    def items(self) -> list[tuple[str, T]]:
        """Pairs of a name, "before" or "after", and its figure; only what there is."""
        before = [] if self.before is None else [("before", self.before)]
        return [*before, ("after", self.after)]

    def map(self, change: Callable[[T], U]) -> BeforeAfter[U]:
        """The same change of both."""
        return BeforeAfter(None if self.before is None else change(self.before), change(self.after))


@dataclass(frozen=True)
class ClassRates:
    """Precision and recall of a class: None where none was answered, or no row has it."""

    precision: float | None
    recall: float | None


@dataclass(frozen=True)
class ClassAnswers:
    """A class: its name, the rows that truly have it, and how well they were answered."""

    name: str
    num_rows: int
    rates: BeforeAfter[ClassRates]


@dataclass(frozen=True)
class ChangedAnswer(Generic[A]):
    """A row that the two files answer differently: class names, or the numbers of a regression.

    `position` counts within the rows compared, `row` within the raw dataset. `became` is None
    in a regression.
    """

    row: int
    position: int
    target: A
    before: A
    after: A
    became: Became | None = None


@dataclass(frozen=True)
class ClassComparison:
    """Answers of a classification.

    `changed` holds every row that was answered differently, those that became wrong first.
    """

    num_rows: int
    names: tuple[str, ...]
    classes: tuple[ClassAnswers, ...]
    confusion: BeforeAfter[Confusion]
    changed: tuple[ChangedAnswer[str], ...]


@dataclass(frozen=True)
class NumberComparison:
    """Answers of a regression, in the units of the targets.

    `output_rmse` holds the error of each output, `rmse` that of all together, `mean_change` the
    mean over rows of the largest change of an output. `changed` holds the rows of the largest
    changes, the largest first, at most MAX_LARGEST.
    """

    num_rows: int
    output_rmse: tuple[BeforeAfter[float], ...]
    rmse: BeforeAfter[float]
    mean_change: float
    changed: tuple[ChangedAnswer[tuple[float, ...]], ...]


def compare(
    before: bytes | None, after: bytes, split: Split, class_names: Sequence[str]
) -> ClassComparison | NumberComparison:
    """Run a file, and the file that it was compressed from, on the rows of a split.

    `class_names` are those of the logits in their order; a regression has none.
    """
    outputs = BeforeAfter(
        None if before is None else onnx.run(onnx.session(before), split.inputs),
        onnx.run(onnx.session(after), split.inputs),
    )
    if class_names:
        return _compare_classes(outputs, split, tuple(class_names))
    return _compare_numbers(outputs, split)


def as_json(comparison: ClassComparison | NumberComparison) -> dict[str, object]:
    """A comparison as `automl explain --json` prints it."""
    if isinstance(comparison, NumberComparison):
        return {
            "num_rows": comparison.num_rows,
            "task": "numbers",
            "outputs": [
                {"output": i, **{f"rmse_{name}": value for name, value in rmse.items()}}
                for i, rmse in enumerate(comparison.output_rmse)
            ],
            "rmse": dict(comparison.rmse.items()),
            "mean_change": comparison.mean_change,
            "changed": [_changed_as_json(item) for item in comparison.changed],
        }
    return {
        "num_rows": comparison.num_rows,
        "task": "classes",
        "names": list(comparison.names),
        "classes": [
            {
                "name": answers.name,
                "rows": answers.num_rows,
                **{
                    f"{rate}_{name}": value
                    for name, rates in answers.rates.items()
                    for rate, value in vars(rates).items()
                },
            }
            for answers in comparison.classes
        ],
        "confusion": {
            name: [list(counts) for counts in confusion]
            for name, confusion in comparison.confusion.items()
        },
        "changed": [_changed_as_json(item) for item in comparison.changed],
    }


def _changed_as_json(item: ChangedAnswer[A]) -> dict[str, object]:
    plain = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in vars(item).items()
    }
    if item.became is None:
        del plain["became"]
    return plain


def _compare_classes(
    logits: BeforeAfter[NDArray[np.float32]], split: Split, names: tuple[str, ...]
) -> ClassComparison:
    targets = np.asarray(split.targets)
    answered = logits.map(lambda own: own.argmax(1))
    confusions = answered.map(lambda own: _confusion(own, targets, len(names)))
    rates = confusions.map(_rates)
    after = answered.after
    before = after if answered.before is None else answered.before
    changed = [
        ChangedAnswer(
            row=int(split.rows[i]),
            position=int(i),
            target=names[targets[i]],
            before=names[before[i]],
            after=names[after[i]],
            became=_became(bool(before[i] == targets[i]), bool(after[i] == targets[i])),
        )
        for i in np.flatnonzero(before != after)
    ]
    return ClassComparison(
        num_rows=len(targets),
        names=names,
        classes=tuple(
            ClassAnswers(name, int((targets == i).sum()), rates.map(itemgetter(i)))
            for i, name in enumerate(names)
        ),
        confusion=confusions.map(lambda own: tuple(tuple(counts) for counts in own.tolist())),
        changed=tuple(sorted(changed, key=lambda item: str(item.became), reverse=True)),
    )


def _became(was_right: bool, is_right: bool) -> Became:
    return "wrong" if was_right else ("right" if is_right else "otherwise wrong")


def _confusion(
    answered: NDArray[np.intp], targets: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    """Counts (true class, answered class) of two arrays of class numbers (rows,)."""
    flat = np.bincount(targets * num_classes + answered, minlength=num_classes * num_classes)
    return flat.reshape(num_classes, num_classes).astype(np.int64)


def _rates(confusion: NDArray[np.int64]) -> list[ClassRates]:
    """Rates of each class, from counts (true class, answered class)."""
    hits = confusion.diagonal()
    with np.errstate(invalid="ignore"):
        precision, recall = hits / confusion.sum(0), hits / confusion.sum(1)
    return [
        ClassRates(*(None if np.isnan(rate) else float(rate) for rate in pair))
        for pair in zip(precision, recall, strict=True)
    ]


def _compare_numbers(outputs: BeforeAfter[NDArray[np.float32]], split: Split) -> NumberComparison:
    targets = np.asarray(split.targets)
    after = outputs.after.astype(np.float64)
    before = after if outputs.before is None else outputs.before.astype(np.float64)
    change = np.abs(after - before).max(1)
    order = np.argsort(-change, kind="stable")
    errors = outputs.map(
        lambda own: [_rmse(own[:, i], targets[:, i]) for i in range(targets.shape[1])]
    )
    return NumberComparison(
        num_rows=len(targets),
        output_rmse=tuple(errors.map(itemgetter(i)) for i in range(targets.shape[1])),
        rmse=outputs.map(lambda own: _rmse(own, targets)),
        mean_change=float(change.mean()),
        changed=tuple(
            ChangedAnswer(
                row=int(split.rows[i]),
                position=int(i),
                target=tuple(targets[i].tolist()),
                before=tuple(before[i].tolist()),
                after=tuple(after[i].tolist()),
            )
            for i in order[:MAX_LARGEST]
            if change[i] > 0
        ),
    )


def _rmse(predicted: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean((predicted - targets) ** 2)))
