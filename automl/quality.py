"""What quality means: the metrics of a task, from a model's outputs and the true targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Outputs: TypeAlias = NDArray[Any]
Targets: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Metric:
    """`of` takes logits (rows, classes) and class numbers, or predictions and targets
    (rows, outputs); `chance` is what a guess that knows only the targets' spread reaches."""

    of: Callable[[Outputs, Targets], float]
    chance: Callable[[Targets], float]
    perfect: float
    better: str = "max"


def accuracy(logits: Outputs, targets: Targets) -> float:
    """The share of rows whose highest logit is the target's."""
    return float((logits.argmax(1) == targets).mean())


def macro_f1(logits: Outputs, targets: Targets) -> float:
    """The mean over all classes of the harmonic mean of precision and recall."""
    predicted, classes = logits.argmax(1), range(logits.shape[1])
    hits = [int(((predicted == c) & (targets == c)).sum()) for c in classes]
    sizes = [int((predicted == c).sum() + (targets == c).sum()) for c in classes]
    return float(np.mean([2 * hit / max(size, 1) for hit, size in zip(hits, sizes, strict=True)]))


def roc_auc(logits: Outputs, targets: Targets) -> float:
    """The chance that a row of class 1 scores above one of class 0, ties counting half.

    With one class only it is not defined: 0.5.
    """
    scores = logits[:, 1].astype(np.float64) - logits[:, 0]
    positive, negative = scores[targets == 1], np.sort(scores[targets == 0])
    if not len(positive) or not len(negative):
        return 0.5
    below = np.searchsorted(negative, positive, "left") + np.searchsorted(
        negative, positive, "right"
    )
    return float(below.mean() / 2 / len(negative))


def rmse(predictions: Outputs, targets: Targets) -> float:
    """The root of the mean squared error over all rows and outputs."""
    return float(np.sqrt(np.mean((predictions.astype(np.float64) - targets) ** 2)))


def r2(predictions: Outputs, targets: Targets) -> float:
    """The share of the targets' variance that is explained, averaged over outputs."""
    errors = ((predictions.astype(np.float64) - targets) ** 2).sum(0)
    spread = ((targets - targets.mean(0, dtype=np.float64)) ** 2).sum(0)
    return float(np.mean(1 - errors / np.maximum(spread, 1e-12)))


def _one_of_many(targets: Targets) -> float:
    return 1 / (int(targets.max()) + 1)


def _most_frequent(targets: Targets) -> float:
    return float(np.bincount(targets).max() / len(targets))


CLASSIFICATION = {
    "accuracy": Metric(accuracy, _most_frequent, 1.0),
    "macro_f1": Metric(macro_f1, _one_of_many, 1.0),
}
BINARY = {**CLASSIFICATION, "roc_auc": Metric(roc_auc, lambda _: 0.5, 1.0)}
REGRESSION = {
    "r2": Metric(r2, lambda _: 0.0, 1.0),
    "rmse": Metric(rmse, lambda targets: sqrt(targets.var(0).mean()), 0.0, "min"),
}
METRICS = {**BINARY, **REGRESSION}


def metrics(num_classes: int) -> dict[str, Metric]:
    """The metrics of a task by name, the usual one first; no class: a regression."""
    if num_classes == 0:
        return REGRESSION
    return BINARY if num_classes == 2 else CLASSIFICATION


def measured(outputs: Outputs, targets: Targets) -> dict[str, float]:
    """Every metric that the targets' task has; integer targets are classes."""
    num_classes = outputs.shape[1] if targets.dtype.kind in "iu" else 0
    return {name: metric.of(outputs, targets) for name, metric in metrics(num_classes).items()}


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """95 % confidence interval of a share seen in `count` rows (Wilson, 1927)."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return middle - half, middle + half


def interval(name: str, outputs: Outputs, targets: Targets) -> tuple[float, float]:
    """95 % confidence interval of a metric: Wilson's of an accuracy, else by the bootstrap."""
    if name == "accuracy":
        return wilson_interval(accuracy(outputs, targets), len(targets))
    rng, of = np.random.default_rng(0), METRICS[name].of
    drawn = (rng.integers(0, len(targets), len(targets)) for _ in range(400))
    values = [of(outputs[rows], targets[rows]) for rows in drawn]
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)
