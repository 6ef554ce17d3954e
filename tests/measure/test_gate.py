import numpy as np
import pytest

from automl.errors import Rejected
from automl.export import onnx
from automl.measure import gate
from automl.measure.gate import Expected
from automl.models.mlp import MLP
from automl.runtimes import onnx as runtime
from automl.runtimes.onnx import OnnxRuntime


@pytest.fixture
def exported(build, context):
    file = onnx.export(build(MLP((16,))), context.data)
    inputs = context.data.validation.inputs
    return file, inputs, runtime.run(runtime.session(file), inputs)


def test_a_smaller_file_that_agrees_passes(exported):
    file, inputs, expected = exported
    gate.check_shrunk(file, file + b"x")
    gate.check_shrunk(file, None)
    assert np.array_equal(gate.check(file, inputs, Expected(expected)), expected)


def test_a_file_that_did_not_shrink_is_rejected(exported):
    file, _, _ = exported
    with pytest.raises(Rejected, match=f"did not shrink: {len(file)} bytes"):
        gate.check_shrunk(file, file)


def test_a_file_that_does_not_load_is_rejected(exported):
    file, inputs, expected = exported
    with pytest.raises(Rejected, match="does not reload"):
        gate.check(file[: len(file) // 2], inputs, Expected(expected))


def test_a_file_that_disagrees_is_rejected(exported):
    file, inputs, expected = exported
    other = expected.copy()
    changed = np.arange(len(other)) % 50 == 0
    other[changed] = -other[changed]
    with pytest.raises(Rejected, match=r"same class on 97\.\d% of the validation rows"):
        gate.check(file, inputs, Expected(other))


def test_predictions_may_differ_by_a_hundredth_of_their_spread(exported):
    file, inputs, expected = exported
    spread = expected.std(0)
    gate.check(file, inputs, Expected(expected + 0.009 * spread), is_regression=True)
    with pytest.raises(Rejected, match="same number"):
        gate.check(file, inputs, Expected(expected + 0.011 * spread), is_regression=True)


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_predictions_in_any_unit_are_held_against_their_spread(exported, unit, monkeypatch):
    file, inputs, answers = exported
    answers = answers * np.float32(unit)
    monkeypatch.setattr(runtime, "run", lambda session, rows: answers)
    near = answers + 0.009 * answers.std(0)
    gate.check(file, inputs, Expected(near), is_regression=True)
    with pytest.raises(Rejected, match="same number"):
        gate.check(file, inputs, Expected(np.zeros_like(answers)), is_regression=True)


def test_rounding_of_numbers_that_hardly_spread_is_no_disagreement():
    same = np.full((8, 2), [0.1, 3e5], np.float32)
    assert (gate.spread(same, 0.01) * 0.01 >= 2 * np.spacing(same[0])).all()
    assert gate.spread(np.zeros((8, 1), np.float32), 0.01) == 0


def test_a_file_that_answers_a_row_alone_otherwise_is_rejected(exported):
    file, inputs, expected = exported
    gate.check(file, inputs, Expected(expected, alone=expected[:8]))
    one_wrong, two_wrong = expected[:8].copy(), expected[:8].copy()
    one_wrong[3], two_wrong[3:5] = -one_wrong[3], -two_wrong[3:5]
    gate.check(file, inputs, Expected(expected, alone=one_wrong))
    with pytest.raises(Rejected, match="come one at a time: same class on 6 of 8 of them"):
        gate.check(file, inputs, Expected(expected, alone=two_wrong))


def test_a_file_that_gives_another_number_of_answers_is_rejected(exported):
    file, inputs, expected = exported
    with pytest.raises(Rejected, match=r"gives answers of shape \(359, 10\), the model of \(2, 1"):
        gate.check(file, inputs, Expected(expected[:2]))


def test_a_file_is_held_against_answers_to_some_rows_and_answers_all(exported):
    file, inputs, expected = exported
    at = np.array([0, 50, 358])
    answers = gate.check(file, inputs, Expected(expected[at], at))
    assert np.array_equal(answers, expected)
    with pytest.raises(Rejected, match="disagrees"):
        gate.check(file, inputs, Expected(-expected[at], at))


def test_more_threads_give_the_same_answers(exported):
    file, inputs, expected = exported
    answers = gate.check(file, inputs, Expected(expected), runtime=OnnxRuntime(threads=2))
    assert np.array_equal(answers, expected)
