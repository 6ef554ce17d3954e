"""Every registered choice, run without naming one: a new one is covered by being there."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from helpers.datasets import EXAMPLES as DATASETS
from helpers.registered import KINDS, example, examples, ours
from helpers.trials import DIGITS, drive, load

import automl.compression
import automl.data
import automl.models
import automl.training
from automl.config import decode, encode
from automl.data.dataset import Dataset
from automl.data.sklearn import Sklearn
from automl.errors import UserError
from automl.models.convnet import ConvNet
from automl.models.deployed import Deployed, predict
from automl.models.family import ModelFamily, Network, Spec, dump, restore, untrained
from automl.models.mlp import MLP
from automl.recipe import Step
from automl.space.space import TrialConfig
from automl.training.augmentation import Augmentation
from automl.training.averaging import Average
from automl.training.loop import Train
from automl.training.losses import Loss
from automl.training.optimizers import Optimizer
from automl.training.schedules import Clipped, Cosine, Fixed, Schedule


@pytest.fixture(params=[cls.__name__ for cls in ours(Dataset)])
def dataset(request, tmp_path):
    return DATASETS[request.param](tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_every_choice_survives_json(kind):
    for param in examples(kind):
        (value,) = param.values
        assert decode(json.loads(json.dumps(encode(value)))) == value


@pytest.mark.parametrize("optimizer", examples(Optimizer))
def test_every_optimizer_lowers_the_loss_at_its_usual_rate(optimizer, store):
    epochs = 60 if optimizer.full_batch else 30
    recipe = (Train(optimizer=optimizer, batch_size=Fixed(16), epochs=epochs),)
    reports, result = drive(TrialConfig(Sklearn("wine"), MLP((16,)), recipe), store)
    assert result.status == "complete"
    assert reports[-1].metrics["loss"] < 0.7 * reports[0].metrics["loss"]


@pytest.mark.parametrize("schedule", examples(Schedule))
def test_every_schedule_gives_positive_finite_numbers_and_lowers_the_loss(schedule, store):
    values = [schedule.at(step / 1000) for step in range(1000)]
    assert all(math.isfinite(value) and value > 0 for value in values)
    assert values == [schedule.at(step / 1000) for step in range(1000)]
    rates = _Scaled(schedule, 0.02 / max(values))
    sizes = Clipped(_Scaled(schedule, 32 / max(values)), 8, 32)
    recipe = (Train(learning_rate=rates, batch_size=sizes, epochs=8),)
    reports, _ = drive(TrialConfig(Sklearn("wine"), MLP((16,)), recipe), store)
    assert reports[-1].metrics["loss"] < 0.7 * reports[0].metrics["loss"]


@pytest.mark.parametrize("loss", examples(Loss))
def test_every_loss_trains(loss, store):
    recipe = (Train(epochs=2), Train(label="second", loss=loss, epochs=2))
    trained = []
    for data in (DIGITS, Sklearn("diabetes")):
        try:
            loss.check(load(data).info)
        except UserError:
            continue
        reports, result = drive(TrialConfig(data, MLP((16,)), recipe), store)
        assert result.status == "complete"
        assert reports[-1].metrics["loss"] < reports[-2].metrics["loss"]
        trained.append(data)
    assert trained


@pytest.mark.parametrize("augmentation", examples(Augmentation))
def test_every_augmentation_trains(augmentation, store):
    step = Train(augmentations=(augmentation,), learning_rate=Cosine(0.01), epochs=4)
    reports, result = drive(TrialConfig(DIGITS, ConvNet((8,)), (step,)), store)
    assert result.status == "complete"
    assert reports[-1].metrics["loss"] < reports[0].metrics["loss"]


@pytest.mark.parametrize("average", examples(Average))
def test_every_average_is_of_weights_that_learn(average, store):
    step = Train(average=average, learning_rate=Fixed(0.01), epochs=8)
    reports, result = drive(TrialConfig(DIGITS, ConvNet((8,)), (step,)), store)
    assert result.status == "complete"
    assert reports[-1].metrics["log_loss"] < reports[0].metrics["log_loss"]


@pytest.mark.parametrize("step", examples(Step))
def test_every_step_ends_in_a_measured_file(step, store):
    recipe = (Train(label="first", epochs=2), step)
    _, result = drive(TrialConfig(DIGITS, MLP((64,)), recipe), store)
    assert (result.status, result.reason) == ("complete", "")
    assert result.measurement.size_bytes == len(store.read(result.key, "model.onnx"))


@pytest.mark.parametrize("model", examples(ModelFamily))
def test_every_family_rebuilds_from_its_spec_and_narrows(model):
    network = _network(model)
    shape = network.spec.input_shape
    files = dump(network)
    again = restore(files["weights.safetensors"], files["spec.json"]).eval()
    rows = torch.randn(4, *shape)
    assert torch.equal(network(rows), again(rows))
    assert dump(again) == files
    groups = model.groups()
    narrower = model.with_widths(tuple(8 for _ in groups))
    assert [group.size for group in narrower.groups()] == [8] * len(groups)
    for group in groups:
        for part in group.produced + group.consumed:
            length = network.body.state_dict()[part.name].shape[part.dim]
            assert length == group.size * part.block


def test_every_dataset_splits_without_overlap_and_is_answered(dataset, tmp_path):
    data = automl.data.dataset.load(dataset, 0, tmp_path / "cache")
    test = automl.data.dataset.test_split(dataset, 0, tmp_path / "cache")
    parts = [set(part.rows) for part in (data.train, data.validation, test)]
    assert sum(len(part) for part in parts) == len(set.union(*parts))
    if data.info.classes:
        assert set(data.train.targets) == set(range(len(data.info.classes)))
    for model in (example(cls) for cls in ours(ModelFamily)):
        try:
            network = untrained(model, data.info)
            answers = predict(Deployed(network, data.info), torch.from_numpy(test.inputs))
        except (UserError, RuntimeError):
            continue
        assert answers.shape == (len(test.rows), data.info.num_outputs)
        assert np.isfinite(answers.numpy()).all()
        return
    raise AssertionError(f"no family takes {dataset}")


def _network(model):
    """On the first of these shapes that the family takes."""
    torch.manual_seed(0)
    for shape in ((1, 8, 8), (8, 8)):
        try:
            return Network(Spec(model, shape, 10)).eval()
        except UserError:
            continue
    raise AssertionError(f"{model} takes no shape")


@dataclass(frozen=True)
class _Scaled(Schedule):
    """A schedule times a number, so that one problem suits every schedule."""

    schedule: Schedule
    factor: float

    def at(self, progress):
        return self.schedule.at(progress) * self.factor


def test_a_family_for_images_says_so_on_a_table():
    with pytest.raises(ValueError, match="choose MLP for tables"):
        Network(Spec(ConvNet((8,)), (30,), 2))
