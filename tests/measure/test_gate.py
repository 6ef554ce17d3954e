import numpy as np
import pytest

from automl.errors import Rejected
from automl.export import onnx
from automl.measure import gate
from automl.models.mlp import MLP
from automl.runtimes import onnx as runtime


@pytest.fixture
def exported(build, context):
    file = onnx.export(build(MLP((16,))), context.data)
    inputs = context.data.validation.inputs
    return file, inputs, runtime.run(runtime.session(file), inputs)


def test_a_smaller_file_that_agrees_passes(exported):
    file, inputs, expected = exported
    gate.check(file, file + b"x", inputs, expected)
    gate.check(file, None, inputs, expected)


def test_a_file_that_did_not_shrink_is_rejected(exported):
    file, inputs, expected = exported
    with pytest.raises(Rejected, match=f"did not shrink: {len(file)} bytes"):
        gate.check(file, file, inputs, expected)


def test_a_file_that_does_not_load_is_rejected(exported):
    file, inputs, expected = exported
    with pytest.raises(Rejected, match="does not reload"):
        gate.check(file[: len(file) // 2], None, inputs, expected)


def test_a_file_that_disagrees_is_rejected(exported):
    file, inputs, expected = exported
    other = expected.copy()
    changed = np.arange(len(other)) % 50 == 0
    other[changed] = -other[changed]
    with pytest.raises(Rejected, match=r"same class on 97\.\d% of the validation rows"):
        gate.check(file, None, inputs, other)


def test_predictions_may_differ_by_a_hundredth_of_their_spread(exported):
    file, inputs, expected = exported
    spread = expected.std(0)
    gate.check(file, None, inputs, expected + 0.009 * spread, is_regression=True)
    with pytest.raises(Rejected, match="same number"):
        gate.check(file, None, inputs, expected + 0.011 * spread, is_regression=True)
