"""Standard errors against the bootstrap's."""

import numpy as np
import pytest

from automl import quality
from automl.standard_errors import INFLUENCES, jackknife, standard_error, standard_errors

NUM_DRAWN = 400


def answers(num_classes, num_rows=300):
    """Answers to rows of classes of unequal size, and their targets; no class: a regression."""
    rng = np.random.default_rng(0)
    if num_classes == 0:
        targets = rng.normal(size=(num_rows, 2)) * [1, 3]
        return targets + 0.5 * rng.normal(size=targets.shape), targets
    targets = np.minimum(rng.geometric(2 / (num_classes + 1), num_rows), num_classes) - 1
    outputs = 1.5 * np.eye(num_classes)[targets] + rng.normal(size=(num_rows, num_classes))
    return outputs, targets


def bootstrapped(metric, outputs, targets):
    rng, count = np.random.default_rng(1), len(targets)
    drawn = [rng.integers(0, count, count) for _ in range(NUM_DRAWN)]
    return np.std([metric(outputs[rows], targets[rows]) for rows in drawn])


def is_ours(metric):
    return type(metric).__module__ == quality.__name__


@pytest.mark.parametrize("num_classes", [2, 8, 0])
def test_errors_are_those_of_other_draws_of_rows(num_classes):
    outputs, targets = answers(num_classes)
    found = standard_errors(outputs, targets)
    assert list(found) == list(quality.measured(outputs, targets))
    # Other tests of this process may have brought metrics of their own, whose errors are rougher.
    ours = {name: quality.METRICS[name] for name in found if is_ours(quality.METRICS[name])}
    for name, metric in ours.items():
        error = found[name]
        assert error == pytest.approx(bootstrapped(metric, outputs, targets), rel=0.12), name


def test_every_metric_of_ours_has_its_influences():
    ours = filter(is_ours, quality.METRICS.values())
    assert {type(one).__call__ for one in ours} == set(INFLUENCES)


def test_the_jackknife_is_about_the_same_and_the_same_each_time():
    for num_classes, num_rows in ((2, 300), (2, 9000), (0, 300)):
        outputs, targets = answers(num_classes, num_rows)
        for metric in quality.metrics_of(outputs, targets).values():
            left_out = jackknife(metric, outputs, targets)
            assert left_out == jackknife(metric, outputs, targets)
            assert left_out == pytest.approx(standard_error(metric, outputs, targets), rel=0.4)


def test_a_metric_that_is_called_otherwise_is_asked_itself(forgotten):
    class Halved(quality.Accuracy):
        def __call__(self, outputs, targets):
            return super().__call__(outputs, targets) / 2

    outputs, targets = answers(8)
    errors = standard_errors(outputs, targets)
    assert errors["halved"] == pytest.approx(errors["accuracy"] / 2, rel=0.4)


def test_errors_of_the_explained_share_know_no_units():
    outputs, targets = answers(0)
    error = standard_errors(outputs, targets)["r2"]
    small = standard_errors(1e-15 * outputs, 1e-15 * targets)["r2"]
    assert small == pytest.approx(error)


def test_what_no_row_moves_has_no_error():
    targets = np.array([0, 1, 1, 0])
    assert standard_errors(np.eye(2)[targets], targets).keys() == set()
    assert standard_errors(np.eye(2)[:1], targets[:1]) == {}
    assert "log_loss" not in standard_errors(np.full((4, 2), np.nan), targets)


def test_the_error_of_explained_variance_has_no_unit_and_no_constant_output():
    outputs, targets = answers(0)
    error = standard_error(quality.R2(), outputs, targets)
    tiny = standard_error(quality.R2(), 1e-9 * outputs, 1e-9 * targets)
    assert tiny == pytest.approx(error)
    with_constant = (np.c_[outputs, outputs[:, 0]], np.c_[targets, np.full(len(targets), 0.1)])
    assert standard_error(quality.R2(), *with_constant) == pytest.approx(error * 2 / 3)
