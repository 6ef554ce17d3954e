"""Metrics against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics as theirs

from automl import quality

rng = np.random.default_rng(0)


@pytest.mark.parametrize("num_classes", [2, 5])
def test_classification(num_classes):
    logits = rng.normal(size=(200, num_classes)).round(1)
    targets = rng.integers(0, num_classes, 200)
    figures = quality.measured(logits, targets)
    predicted = logits.argmax(1)
    assert figures["accuracy"] == theirs.accuracy_score(targets, predicted)
    assert figures["macro_f1"] == pytest.approx(
        theirs.f1_score(targets, predicted, average="macro")
    )
    assert ("roc_auc" in figures) == (num_classes == 2)
    if num_classes == 2:
        scores = logits[:, 1] - logits[:, 0]
        assert figures["roc_auc"] == pytest.approx(theirs.roc_auc_score(targets, scores))


def test_the_area_under_the_curve_of_one_class_alone_is_a_half():
    assert quality.roc_auc(rng.normal(size=(5, 2)), np.ones(5, np.int64)) == 0.5


def test_regression():
    targets = rng.normal(size=(200, 3)) * [1, 10, 100]
    predictions = targets + rng.normal(size=(200, 3))
    figures = quality.measured(predictions, targets)
    assert figures["rmse"] == pytest.approx(theirs.mean_squared_error(targets, predictions) ** 0.5)
    assert figures["r2"] == pytest.approx(theirs.r2_score(targets, predictions))


def test_chance_and_perfection_are_the_ends_of_every_metric():
    targets = rng.integers(0, 2, 1000)
    onehot = np.eye(2)[targets]
    for name, metric in quality.BINARY.items():
        assert metric.of(onehot, targets) == metric.perfect
        assert metric.of(rng.normal(size=(1000, 2)), targets) == pytest.approx(
            metric.chance(targets), abs=0.05
        ), name
    numbers = rng.normal(size=(1000, 1))
    for metric in quality.REGRESSION.values():
        assert metric.of(numbers, numbers) == metric.perfect
        mean = np.full_like(numbers, numbers.mean())
        assert metric.of(mean, numbers) == pytest.approx(metric.chance(numbers))


def test_the_wilson_interval_holds_the_share():
    assert quality.wilson_interval(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    low, high = quality.wilson_interval(1.0, 359)
    assert 0.98 < low < high == pytest.approx(1.0)


@pytest.mark.parametrize("name", quality.METRICS)
def test_every_metric_lies_in_its_interval(name):
    if name in quality.REGRESSION:
        targets = rng.normal(size=(300, 1))
        outputs = targets + 0.5 * rng.normal(size=(300, 1))
    else:
        targets = rng.integers(0, 2, 300)
        outputs = np.eye(2)[targets] + rng.normal(size=(300, 2))
    low, high = quality.interval(name, outputs, targets)
    assert low < quality.METRICS[name].of(outputs, targets) < high
