"""Metrics: the quality of a model's answers on rows whose targets are known.

A metric is a class below `Metric`, here or in a space file. Writing the class is all: it is then
measured on every file and after every epoch, and may be named in objectives and conditions.

The functions are NumPy's: scikit-learn's, against which the tests hold them, take 2 s to import in
each process, 4 to 80 times as long after each epoch, and raise on logits that are no numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.config import Config, adds_fields, snake_case
from automl.errors import UserError
from automl.quality_maths import Interval, among_five, shares_below, surprise, wilson_interval

Outputs: TypeAlias = NDArray[Any]
Targets: TypeAlias = NDArray[Any]

FILE_FIGURES = (
    *("size_bytes", "compressed_bytes", "latency_ms", "load_ms", "train_seconds"),
    *("macs", "peak_activation_bytes"),
)
"""Figures of a file that are no metrics; no metric may have such a name."""
NUM_RESAMPLES = 400
QUALITY = "quality"
"""The objective that stands for the usual metric of a task, which only the data tells."""
EVEN_SHARE = 0.4
"""Two classes are even where the rarer one has at least this share of the rows."""
EVEN_RATIO = 5
"""Many classes are even where the largest has at most so many times the rows of the smallest."""

METRICS: dict[str, Metric] = {}
"""Every metric that this process knows, by its name; a space file adds its own when loaded."""


@dataclass(frozen=True)
class Metric(Config):
    """A figure of a model's answers.

    Subclassing registers the metric under its class name in snake case (`MacroF1` is
    `macro_f1`). `perfect` is the figure of answers that are all right. It is of classes unless
    `suits(num_classes)` says more: where that is True of 0, it is of a regression.
    """

    better: ClassVar[Literal["max", "min"]] = "max"
    perfect: ClassVar[float] = 1.0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if adds_fields(cls):
            raise UserError(f"the metric {cls.__name__} has fields; make constants of them")
        name = snake_case(cls.__name__)
        known = METRICS.get(name)
        if name in FILE_FIGURES or (known and type(known).__name__ != cls.__name__):
            raise UserError(f"the metric {cls.__name__} takes the name {name}; give it another one")
        METRICS[name] = cls()

    def __call__(self, outputs: Outputs, targets: Targets) -> float:
        """The figure of logits (rows, classes) and class numbers (rows,).

        In a regression: of predictions (rows, outputs) and targets (rows, outputs).
        """
        raise NotImplementedError(f"{type(self).__name__} has no __call__")

    def suits(self, num_classes: int) -> bool:
        """True if the metric is defined for that number of classes; 0 stands for a regression."""
        return num_classes > 0

    def chance(self, targets: Targets) -> float:
        """The figure of the best guess that gives every row the same answer.

        That is the most frequent of the class numbers (rows,), or the mean of the targets
        (rows, outputs).
        """
        if targets.dtype.kind in "iu":
            guess = np.eye(int(targets.max()) + 1)[np.bincount(targets).argmax()]
        else:
            guess = targets.mean(0, dtype=np.float64)
        return float(self(np.broadcast_to(guess, (len(targets), len(guess))), targets))

    def ends(self, targets: Targets) -> tuple[float, float]:
        """Chance and perfection: the ends of the metric's axis in the hypervolume.

        Raises UserError where chance is no number, or no worse than what is called perfect.
        """
        name, chance = type(self).__name__, self.chance(targets)
        if np.isnan(chance):
            raise UserError(
                f"{name}: of a guess that is the same for every row it is no number; "
                "define `chance(self, targets)`, the figure of the best guess"
            )
        if not (chance < self.perfect if self.better == "max" else chance > self.perfect):
            raise UserError(
                f"{name}: a guess reaches {chance:g}, which is no worse than perfect = "
                f"{self.perfect:g} where better = {self.better!r}; correct these two"
            )
        return chance, self.perfect

    def interval(self, outputs: Outputs, targets: Targets) -> Interval:
        """95 % confidence interval of the figure, by the bootstrap; shapes as in a call."""
        from scipy.stats import bootstrap

        drawn = bootstrap(
            (np.arange(len(targets)),),
            lambda rows: self(outputs[rows], targets[rows]),
            vectorized=False,
            n_resamples=NUM_RESAMPLES,
            batch=1,
            method="percentile",
            rng=np.random.default_rng(0),
        )
        low, high = drawn.confidence_interval
        return float(low), float(high)


class Accuracy(Metric):
    """The share of rows whose highest logit is the target's."""

    def __call__(self, outputs: Outputs, targets: Targets) -> float:
        return float((outputs.argmax(1) == targets).mean())

    def interval(self, outputs: Outputs, targets: Targets) -> Interval:
        return wilson_interval(self(outputs, targets), len(targets))


class BalancedAccuracy(Metric):
    """The mean recall of the classes that the rows have: each counts alike, however rare."""

    def __call__(self, outputs: Outputs, targets: Targets) -> float:
        sizes = np.bincount(targets)
        hits = np.bincount(targets[outputs.argmax(1) == targets], minlength=len(sizes))
        return float(np.mean(hits[sizes > 0] / sizes[sizes > 0]))


class MacroF1(Metric):
    """The mean over all classes of the F score: the harmonic mean of precision and recall.

    A metric below it has another `beta`: recall counts as `beta` times as important.
    """

    beta: ClassVar[float] = 1.0

    def __call__(self, outputs: Outputs, targets: Targets) -> float:
        predicted, num_classes, weight = outputs.argmax(1), outputs.shape[1], self.beta**2
        hits = np.bincount(targets[predicted == targets], minlength=num_classes)
        named = np.bincount(predicted, minlength=num_classes)
        sizes = named + weight * np.bincount(targets, minlength=num_classes)
        return float(np.mean((1 + weight) * hits / np.maximum(sizes, 1e-12)))

    def chance(self, targets: Targets) -> float:
        """The figure of random answers: any constant one is worse."""
        return 1 / (int(targets.max()) + 1)


class MacroF2(MacroF1):
    """The F score with recall twice as important: what is missed costs more than false alarms."""

    beta = 2.0


class LogLoss(Metric):
    """The mean negative logarithm of the share that the answers give to the right class."""

    better = "min"
    perfect = 0.0

    def __call__(self, outputs: Outputs, targets: Targets) -> float:
        return float(surprise(outputs, targets).mean())

    def chance(self, targets: Targets) -> float:
        """The figure of the classes' own shares, given to every row."""
        shares = np.bincount(targets) / len(targets)
        return float(-(shares * np.log(np.maximum(shares, 1e-300))).sum())


class Top5(Metric):
    """The share of rows whose target is among the five highest logits; a tie counts against it."""

    def suits(self, num_classes: int) -> bool:
        return num_classes > 5

    def __call__(self, outputs: Outputs, targets: Targets) -> float:
        return float(among_five(outputs, targets).mean())

    def chance(self, targets: Targets) -> float:
        """The figure of the five most frequent classes, answered for every row."""
        return float(np.sort(np.bincount(targets))[-5:].sum() / len(targets))

    def interval(self, outputs: Outputs, targets: Targets) -> Interval:
        return wilson_interval(self(outputs, targets), len(targets))


class RocAuc(Metric):
    """The chance that a row of class 1 scores above one of class 0, ties counting half.

    With rows of one class only it is not defined: 0.5.
    """

    def suits(self, num_classes: int) -> bool:
        return num_classes == 2

    def __call__(self, outputs: Outputs, targets: Targets) -> float:
        scores = outputs[:, 1].astype(np.float64) - outputs[:, 0]
        positive, negative = scores[targets == 1], scores[targets == 0]
        if not len(positive) or not len(negative):
            return 0.5
        return float(shares_below(positive, negative).mean())

    def chance(self, targets: Targets) -> float:
        """A half: all is a tie."""
        return 0.5


class R2(Metric):
    """The share of the targets' variance that is explained, averaged over outputs.

    Of targets that are all the same it is 1 where the answers are these, else 0.
    """

    def suits(self, num_classes: int) -> bool:
        return num_classes == 0

    def __call__(self, outputs: Outputs, targets: Targets) -> float:
        errors = ((outputs.astype(np.float64) - targets) ** 2).sum(0)
        spread = ((targets - targets.mean(0, dtype=np.float64)) ** 2).sum(0)
        # A sum says it but for its rounding, which would stand for a spread.
        is_constant = np.ptp(targets, axis=0) == 0
        are_right = outputs.astype(np.float32) == targets.astype(np.float32)
        shares = 1 - errors / np.where(is_constant, 1.0, spread)
        return float(np.mean(np.where(is_constant, are_right.all(0), shares)))


class Rmse(Metric):
    """The root of the mean squared error over all rows and outputs."""

    better = "min"
    perfect = 0.0

    def suits(self, num_classes: int) -> bool:
        return num_classes == 0

    def __call__(self, outputs: Outputs, targets: Targets) -> float:
        return float(np.sqrt(np.mean((outputs.astype(np.float64) - targets) ** 2)))


class Mae(Metric):
    """The mean absolute error over all rows and outputs."""

    better = "min"
    perfect = 0.0

    def suits(self, num_classes: int) -> bool:
        return num_classes == 0

    def __call__(self, outputs: Outputs, targets: Targets) -> float:
        return float(np.abs(outputs.astype(np.float64) - targets).mean())


def metrics(num_classes: int) -> dict[str, Metric]:
    """The metrics that a task has, by name; no class: a regression."""
    return {name: metric for name, metric in METRICS.items() if metric.suits(num_classes)}


def usual(class_counts: Sequence[int]) -> tuple[str, str]:
    """The name of the metric that suits classes of so many training rows, and the reason.

    No class stands for a regression.
    """
    if not class_counts:
        return "rmse", "numbers are predicted: the root of the mean squared error"
    rarest, most = min(class_counts), max(class_counts)
    if len(class_counts) == 2:
        if rarest < EVEN_SHARE * (rarest + most):
            return "roc_auc", "two uneven classes: accuracy alone would praise a constant answer"
        return "accuracy", "two classes: the share of right answers"
    if most > EVEN_RATIO * rarest:
        return "macro_f1", "uneven classes: each counts alike"
    return "accuracy", "the share of right answers"


def measured(outputs: Outputs, targets: Targets) -> dict[str, float]:
    """Every metric that the targets' task has, by name.

    `outputs` are logits (rows, classes) where the targets are class numbers (rows,), integers;
    else predictions, like the targets (rows, outputs).
    """
    known = metrics_of(outputs, targets)
    return {name: float(metric(outputs, targets)) for name, metric in known.items()}


def metrics_of(outputs: Outputs, targets: Targets) -> dict[str, Metric]:
    """The metrics of the task that answers and targets are of; shapes as in `measured`."""
    return metrics(outputs.shape[1] if targets.dtype.kind in "iu" else 0)
