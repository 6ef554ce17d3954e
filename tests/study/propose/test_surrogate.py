import random

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from automl.study.propose.gaussian_process import Process, _unlikelihood
from automl.study.propose.surrogate import Surrogate

DISTRIBUTIONS = {
    "kind": CategoricalDistribution(("mlp", "conv")),
    "mlp.width": IntDistribution(8, 128, step=8),
    "conv.rate": FloatDistribution(1e-4, 1e-1, log=True),
}


def drawn(rng):
    if rng.random() < 0.5:
        return {"kind": "mlp", "mlp.width": rng.randrange(8, 129, 8)}
    return {"kind": "conv", "conv.rate": 10 ** rng.uniform(-4, -1)}


def figures(row):
    if row["kind"] == "mlp":
        return [row["mlp.width"] / 128, 1 - row["mlp.width"] / 256]
    return [1 - abs(np.log10(row["conv.rate"]) + 2.5) / 3, 0.2]


@pytest.fixture
def rows():
    rng = random.Random(0)
    return [drawn(rng) for _ in range(60)]


def none(rows):
    return np.zeros((len(rows), 0))


def test_each_branch_of_a_conditional_space_is_learned(rows):
    surrogate = Surrogate(DISTRIBUTIONS)
    targets = np.array([figures(row) for row in rows])
    surrogate.fit(rows[:40], none(rows[:40]), targets[:40])
    mean, std = surrogate.predict(rows[40:], none(rows[40:]))
    assert np.abs(mean - targets[40:]).max() < 0.06
    assert std.shape == (20, 2) and (std > 0).all()


def test_scales_found_before_give_the_same_predictions(rows):
    targets = np.array([figures(row) for row in rows])
    whole, quick = Surrogate(DISTRIBUTIONS), Surrogate(DISTRIBUTIONS)
    whole.fit(rows, none(rows), targets)
    quick.fit(rows, none(rows), targets, quick.find_scales(rows, none(rows), targets))
    for a, b in zip(whole.predict(rows, none(rows)), quick.predict(rows, none(rows)), strict=True):
        assert (a == b).all()


def test_extra_columns_are_learned_and_may_be_unknown(rows):
    extra = np.linspace(5.0, 9.0, len(rows))[:, None]
    surrogate = Surrogate(DISTRIBUTIONS)
    surrogate.fit(rows, extra, extra)
    mean, _ = surrogate.predict(rows, extra)
    assert np.abs(mean - extra).max() < 0.1
    assert np.isfinite(surrogate.predict(rows, np.full_like(extra, np.nan))[0]).all()


def test_rows_added_later_make_the_model_surer_there(rows):
    surrogate = Surrogate(DISTRIBUTIONS)
    known, new = rows[:10], [{"kind": "conv", "conv.rate": 0.1}]
    surrogate.fit(known, none(known), np.array([figures(row) for row in known]))
    _, before = surrogate.predict(new, none(new))
    surrogate.add(new, none(new), np.array([figures(new[0])]))
    _, after = surrogate.predict(new, none(new))
    assert (after < before).all()


@pytest.mark.parametrize("targets", [np.zeros(4), np.array([1.0, 1.0, 2.0, 2.0])])
def test_equal_rows_and_equal_targets_are_no_trouble(targets):
    process = Process(np.ones((4, 2)), np.array([0, 1]), targets)
    mean, std = process.predict(np.ones((1, 2)))
    assert mean[0] == pytest.approx(targets.mean(), abs=0.01) and np.isfinite(std).all()


def test_the_slope_of_the_likelihood_is_its_slope():
    rng = np.random.default_rng(0)
    rows, targets = rng.random((12, 3)), rng.standard_normal(12)
    distances = np.stack([(c[:, None] - c) ** 2 for c in rows.T]).reshape(3, -1)
    point = np.array([-0.5, 0.1, 0.7, -3.0])
    _, slope = _unlikelihood(point, distances, targets)
    for i, step in enumerate(np.eye(4) * 1e-5):
        ahead, _ = _unlikelihood(point + step, distances, targets)
        behind, _ = _unlikelihood(point - step, distances, targets)
        assert slope[i] == pytest.approx((ahead - behind) / 2e-5, rel=1e-4)
