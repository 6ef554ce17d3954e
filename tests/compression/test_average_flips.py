"""AverageFlips: an image is answered by the mean of the answers to it and to its mirror image."""

import numpy as np
import pytest
from helpers.trials import DIGITS, drive, load

from automl.bounds.bound import bound
from automl.compression.average_flips import AverageFlips
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.data.sklearn import Sklearn
from automl.errors import UserError
from automl.models.convnet import ConvNet
from automl.models.family import restore
from automl.models.resnet import ResNet, ResNetStage
from automl.models.transformer import Transformer, TransformerLayer
from automl.runtimes import onnx
from automl.space.exploring import check
from automl.space.space import TrialConfig
from automl.training.augmentation import Flip
from automl.training.distillation import Joint
from automl.training.loop import Train

TRAIN = Train(epochs=2)
AGAIN = Train(label="again", epochs=1, augmentations=(Flip(),))
MODEL = ConvNet((8, 16))


def trial(store, *steps, model=MODEL):
    _, result = drive(TrialConfig(DIGITS, model, (TRAIN, *steps)), store)
    assert (result.status, result.reason) == ("complete", "")
    return result


def file_of(store, result):
    return store.read(result.key, "model.onnx")


@pytest.mark.parametrize(
    "model",
    [MODEL, ResNet((ResNetStage(8),)), Transformer((TransformerLayer(),))],
    ids=lambda model: type(model).__name__,
)
def test_the_file_gives_the_mean_of_both_answers(model, store):
    rows = load(DIGITS).validation.inputs[:50].astype(np.float32)
    once = onnx.session(file_of(store, trial(store, model=model)))
    twice = onnx.session(file_of(store, trial(store, AverageFlips(), model=model)))
    flipped = rows.reshape(-1, 8, 8)[..., ::-1].reshape(rows.shape)
    mean = (onnx.run(once, rows) + onnx.run(once, flipped)) / 2
    np.testing.assert_allclose(onnx.run(twice, rows), mean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(onnx.run(twice, rows[:1]), mean[:1], rtol=1e-4, atol=1e-4)


def test_it_costs_work_and_hardly_a_byte(store):
    plain = trial(store, Quantize(bits=2, training=Train(epochs=1)))
    averaging = trial(store, Quantize(bits=2, training=Train(epochs=1)), AverageFlips())
    before, after = plain.measurement, averaging.measurement
    assert 2 * before.macs == after.macs
    assert before.size_bytes < after.size_bytes < before.size_bytes + 300


def test_work_and_bytes_are_told_before_a_trial(store):
    data = load(DIGITS)
    result = trial(store, AverageFlips())
    told = bound(TrialConfig(DIGITS, MODEL, (TRAIN, AverageFlips())), data.info, 1000)
    assert told.macs == result.measurement.macs
    assert told.size_bytes <= result.measurement.size_bytes
    assert told.steps["average_flips"] == 0


def test_training_after_it_is_as_without_it(store):
    weights = [
        store.read(trial(store, *steps, AGAIN).key, "weights.safetensors")
        for steps in ((), (AverageFlips(),))
    ]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    "step",
    [
        Prune(0.5),
        Quantize(bits=2, training=Train(epochs=1)),
        Quantize(rounding="gptaq", bits=3, training=Train(epochs=0)),
        Train(label="joint", loss=Joint(), epochs=1),
    ],
    ids=lambda step: step.label,
)
def test_other_steps_may_follow(step, store):
    result = trial(store, AverageFlips(), step)
    spec, weights = (store.read(result.key, n) for n in ("spec.json", "weights.safetensors"))
    assert restore(weights, spec).spec.averages_flips


def test_twice_in_a_recipe_is_refused():
    steps = (TRAIN, AverageFlips(), AverageFlips(label="once_more"))
    with pytest.raises(UserError, match="averages over flips already"):
        check(TrialConfig(DIGITS, MODEL, steps))


def test_rows_that_are_no_images_are_refused():
    with pytest.raises(UserError, match=r"mirrors images, .* the shape \(13,\)"):
        AverageFlips().check_data(load(Sklearn("wine")).info)
