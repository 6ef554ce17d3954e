import numpy as np
import pytest

from automl import config_checks
from automl.data.linear_map import LinearMap
from automl.errors import UserError


def test_targets_are_a_linear_map_and_noise():
    raw = LinearMap(num_inputs=4, num_outputs=2, num_rows=500, noise=0.1).load()
    assert (raw.inputs.shape, raw.targets.shape) == ((500, 4), (500, 2))
    assert raw.inputs.dtype == raw.targets.dtype == np.float32
    assert (raw.input_shape, raw.classes) == ((4,), ())
    known = np.column_stack([raw.inputs, np.ones(500)])
    _, residues, _, _ = np.linalg.lstsq(known, raw.targets)
    assert np.sqrt(residues / 500) == pytest.approx(0.1, rel=0.15)


def test_an_output_of_many_inputs_has_variance_about_1():
    targets = LinearMap(num_inputs=256, noise=0.0).load().targets
    assert targets.var(0) == pytest.approx(np.ones(10), rel=0.3)


def test_the_seed_decides_the_data():
    first, again, other = (LinearMap(seed=seed).load().targets for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    "wrong", [{"num_inputs": 0}, {"num_rows": 0}, {"noise": -1.0}, {"seed": -1}]
)
def test_sizes_that_cannot_be_are_told(wrong):
    with pytest.raises(UserError, match=rf"LinearMap\(.*: {next(iter(wrong))} must be at least"):
        config_checks.check(LinearMap(**wrong))
