import numpy as np
import pytest

from automl import pareto
from automl.study.propose.expected_gain import expected_gain

NAMES = ("accuracy", "size_bytes", "latency_ms", "load_ms")


def volume(points):
    axes = {name: pareto.Axis(0.0, 1.0) for name in NAMES[: points.shape[1]]}
    return pareto.hypervolume([dict(zip(axes, p, strict=True)) for p in points.tolist()], axes)


def points(num_axes, seed=0):
    rng = np.random.default_rng(seed)
    return rng.random((6, num_axes)), rng.random((5, num_axes)), rng.random((5, num_axes)) / 4


@pytest.mark.parametrize("num_axes", [1, 2, 3, 4])
def test_a_sure_candidate_gains_what_it_adds_to_the_hypervolume(num_axes):
    front, mean, _ = points(num_axes)
    added = [volume(np.vstack([front, row])) - volume(front) for row in mean]
    assert expected_gain(front, mean, np.zeros_like(mean)) == pytest.approx(added, abs=1e-7)


@pytest.mark.parametrize("num_axes", [1, 2, 3, 4])
def test_an_unsure_candidate_gains_the_mean_over_its_outcomes(num_axes):
    front, mean, std = points(num_axes)
    mean[0] = 0.95
    rng = np.random.default_rng(1)
    outcomes = (mean[0] + std[0] * rng.standard_normal((3000, num_axes))).clip(0, 1)
    added = [volume(np.vstack([front, row])) - volume(front) for row in outcomes]
    error = np.std(added) / len(added) ** 0.5
    assert expected_gain(front, mean, std)[0] == pytest.approx(np.mean(added), abs=4 * error)


def test_a_point_at_the_reference_or_above_the_range_is_no_trouble():
    front = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.5, 0.5]])
    mean = np.array([[2.0, 2.0], [-1.0, -1.0]])
    assert expected_gain(front, mean, np.full((2, 2), 1e-3)) == pytest.approx([0.75, 0.0])
