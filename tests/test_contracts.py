"""Every registered choice, run without naming one: a new one is covered by being there."""

import json
import math
from dataclasses import MISSING, fields

import pytest
import torch
from conftest import DIGITS, drive

from automl.config import choices, decode, encode
from automl.data.dataset import Dataset, load
from automl.models.convnet import ConvNet
from automl.models.family import Model, Network, Spec, dump, restore
from automl.models.mlp import MLP
from automl.recipe import Step
from automl.space import TrialConfig
from automl.training.loop import Train
from automl.training.losses import Loss
from automl.training.optimizers import Optimizer
from automl.training.schedules import Fixed, Schedule

EXAMPLES = {"int": 8, "float": 0.5, "tuple[int, ...]": (16, 16)}


def example(cls):
    """A value of a config class: its defaults, and by their type what has none."""
    needed = [f for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    return cls(**{f.name: EXAMPLES[f.type] for f in needed})


def examples(kind):
    ours = [cls for cls in choices(kind).values() if cls.__module__.startswith("automl.")]
    return [pytest.param(example(cls), id=cls.__name__) for cls in ours]


@pytest.mark.parametrize("kind", [Optimizer, Schedule, Loss, Step, Model, Dataset])
def test_every_choice_survives_json(kind):
    for param in examples(kind):
        (value,) = param.values
        assert decode(json.loads(json.dumps(encode(value)))) == value


@pytest.mark.parametrize("optimizer", examples(Optimizer))
def test_every_optimizer_lowers_the_loss(optimizer, store):
    recipe = (Train(optimizer=optimizer, learning_rate=Fixed(0.005), epochs=3),)
    reports, result = drive(TrialConfig(DIGITS, MLP((16,)), recipe), store)
    assert result.status == "complete"
    assert reports[-1].metrics["loss"] < 0.8 * reports[0].metrics["loss"]


@pytest.mark.parametrize("schedule", examples(Schedule))
def test_every_schedule_gives_positive_finite_numbers(schedule):
    values = [schedule.at(step / 1000) for step in range(1000)]
    assert all(math.isfinite(value) and value > 0 for value in values)


@pytest.mark.parametrize("loss", examples(Loss))
def test_every_loss_trains(loss, store):
    recipe = (Train(epochs=2), Train(label="second", loss=loss, epochs=2))
    reports, result = drive(TrialConfig(DIGITS, MLP((16,)), recipe), store)
    assert result.status == "complete"
    assert reports[-1].metrics["loss"] < reports[-2].metrics["loss"]


@pytest.mark.parametrize("step", examples(Step))
def test_every_step_ends_in_a_measured_file(step, store):
    recipe = (Train(label="first", epochs=2), step)
    _, result = drive(TrialConfig(DIGITS, MLP((64,)), recipe), store)
    assert (result.status, result.reason) == ("complete", "")
    assert result.measurement.size_bytes == len(store.read(result.key, "model.onnx"))


@pytest.mark.parametrize("model", examples(Model))
def test_every_family_rebuilds_from_its_spec_and_narrows(model):
    network = Network(Spec(model, (1, 8, 8), 10)).eval()
    files = dump(network)
    again = restore(files["weights.safetensors"], files["spec.json"]).eval()
    rows = torch.randn(4, 1, 8, 8)
    assert torch.equal(network(rows), again(rows))
    assert dump(again) == files
    groups = model.groups()
    narrower = model.with_widths(tuple(8 for _ in groups))
    assert [group.size for group in narrower.groups()] == [8] * len(groups)
    for group in groups:
        for part in group.produced + group.consumed:
            length = network.body.state_dict()[part.name].shape[part.dim]
            assert length == group.size * part.block


@pytest.mark.parametrize("dataset", examples(Dataset))
def test_every_dataset_splits_without_overlap(dataset):
    data = load(dataset, 0)
    assert not set(data.train.rows) & set(data.validation.rows)
    assert set(data.train.targets) == set(range(len(data.classes)))


def test_a_family_for_images_says_so_on_a_table():
    with pytest.raises(ValueError, match="choose MLP for tables"):
        Network(Spec(ConvNet((8,)), (30,), 2))
