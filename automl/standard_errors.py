"""Standard errors of metrics: by how much figures would differ on other rows of the same kind.

Of a metric of ours it is read off the influence that each row has on the figure (Hampel 1974,
https://doi.org/10.1080/01621459.1974.10482962). Of any other, such as one of a space file, it is
found by leaving out a fortieth of the rows at a time (the jackknife).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl import quality, quality_maths
from automl.quality import Metric, Outputs, Targets

NUM_GROUPS = 40
MOST_ROWS = 2000
"""The rows that the jackknife takes; it asks the metric forty times."""
MOST_SECONDS = 0.5
"""A metric that takes longer is not asked forty times."""

Rows: TypeAlias = NDArray[np.float64]


def standard_errors(outputs: Outputs, targets: Targets) -> dict[str, float]:
    """The standard error of each metric of the task, by name; shapes as in `quality.measured`.

    A metric on which all rows agree, or whose error is no number, has none.
    """
    found = {
        name: standard_error(metric, outputs, targets)
        for name, metric in quality.metrics_of(outputs, targets).items()
    }
    return {name: error for name, error in found.items() if 0 < error < math.inf}


def standard_error(metric: Metric, outputs: Outputs, targets: Targets) -> float:
    """The standard error of one metric; 0 where there are fewer than two rows."""
    if len(targets) < 2:
        return 0.0
    # By the function: a metric below one of ours that is called otherwise has none of these.
    influences = INFLUENCES.get(type(metric).__call__)
    if influences is None:
        return jackknife(metric, outputs, targets)
    rows = influences(metric, outputs, targets)
    return float(rows.std(ddof=1) / math.sqrt(len(rows)))


def jackknife(metric: Metric, outputs: Outputs, targets: Targets) -> float:
    """The standard error of any figure, by leaving out groups of rows; the same each time.

    0 where one figure takes so long that forty would take longer than many a training.
    """
    shuffled = np.random.default_rng(0).permutation(len(targets))[:MOST_ROWS]
    num_groups = min(NUM_GROUPS, len(shuffled))
    groups = np.arange(len(shuffled)) % num_groups
    kept = [shuffled[groups != group] for group in range(num_groups)]
    started = time.perf_counter()
    first = metric(outputs[kept[0]], targets[kept[0]])
    if time.perf_counter() - started > MOST_SECONDS:
        return 0.0
    figures = np.array([first, *(metric(outputs[rows], targets[rows]) for rows in kept[1:])])
    variance = (num_groups - 1) * figures.var()
    return float(np.sqrt(variance * len(shuffled) / len(targets)))


def _accuracy(metric: Metric, outputs: Outputs, targets: Targets) -> Rows:
    hits: Rows = (outputs.argmax(1) == targets).astype(np.float64)
    return hits


def _balanced_accuracy(metric: Metric, outputs: Outputs, targets: Targets) -> Rows:
    sizes, hits = np.bincount(targets), outputs.argmax(1) == targets
    recalls = np.bincount(targets[hits], minlength=len(sizes)) / np.maximum(sizes, 1)
    weights = len(targets) / (np.count_nonzero(sizes) * sizes[targets])
    rows: Rows = weights * (hits - recalls[targets])
    return rows


def _macro_f(metric: Metric, outputs: Outputs, targets: Targets) -> Rows:
    assert isinstance(metric, quality.MacroF1)
    predicted, num_classes, weight = outputs.argmax(1), outputs.shape[1], metric.beta**2
    hits = predicted == targets
    named = np.bincount(predicted, minlength=num_classes)
    sizes = np.maximum(named + weight * np.bincount(targets, minlength=num_classes), 1e-12)
    scores = (1 + weight) * np.bincount(targets[hits], minlength=num_classes) / sizes
    found = (1 + weight) * hits / sizes[targets]
    counted = scores[predicted] / sizes[predicted] + weight * scores[targets] / sizes[targets]
    rows: Rows = len(targets) / num_classes * (found - counted)
    return rows


def _log_loss(metric: Metric, outputs: Outputs, targets: Targets) -> Rows:
    return quality_maths.surprise(outputs, targets)


def _top5(metric: Metric, outputs: Outputs, targets: Targets) -> Rows:
    return quality_maths.among_five(outputs, targets).astype(np.float64)


def _roc_auc(metric: Metric, outputs: Outputs, targets: Targets) -> Rows:
    """By DeLong et al. 1988, https://doi.org/10.2307/2531595."""
    scores, rows = outputs[:, 1].astype(np.float64) - outputs[:, 0], np.zeros(len(targets))
    positive, negative = targets == 1, targets == 0
    if not positive.any() or not negative.any():
        return rows
    for own, other, sign in ((positive, negative, 1.0), (negative, positive, -1.0)):
        shares = quality_maths.shares_below(scores[own], scores[other])
        rows[own] = sign * len(targets) / own.sum() * (shares - shares.mean())
    return rows


def _r2(metric: Metric, outputs: Outputs, targets: Targets) -> Rows:
    errors = _squares(outputs, targets)
    spread = (targets - targets.mean(0, dtype=np.float64)) ** 2
    usual = quality_maths.squares_about_mean(targets) / len(targets)
    rows: Rows = ((errors.mean(0) / usual * spread - errors) / usual).mean(1)
    return rows


def _rmse(metric: Metric, outputs: Outputs, targets: Targets) -> Rows:
    errors: Rows = _squares(outputs, targets).mean(1)
    return errors / (2 * max(math.sqrt(errors.mean()), 1e-300))


def _mae(metric: Metric, outputs: Outputs, targets: Targets) -> Rows:
    rows: Rows = np.abs(outputs.astype(np.float64) - targets).mean(1)
    return rows


def _squares(outputs: Outputs, targets: Targets) -> Rows:
    squares: Rows = (outputs.astype(np.float64) - targets) ** 2
    return squares


INFLUENCES: Mapping[object, Callable[[Metric, Outputs, Targets], Rows]] = {
    quality.Accuracy.__call__: _accuracy,
    quality.BalancedAccuracy.__call__: _balanced_accuracy,
    quality.MacroF1.__call__: _macro_f,
    quality.LogLoss.__call__: _log_loss,
    quality.Top5.__call__: _top5,
    quality.RocAuc.__call__: _roc_auc,
    quality.R2.__call__: _r2,
    quality.Rmse.__call__: _rmse,
    quality.Mae.__call__: _mae,
}
"""By how a metric is called: each row's part in its figure, (rows,), but for a constant."""
