"""A new part of each kind, written in a space file and nowhere else, goes all the way."""

import pytest
from helpers.trials import study_of

from automl.bounds.bound import Bounds
from automl.cli.check import examine
from automl.explain.ablation import techniques

SPACE = """
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from automl import MLP, OneOf, Quantize, Sklearn, Space, Train, TrialConfig

{part}

space = Space(
    TrialConfig(
        dataset={dataset},
        model={model},
        recipe=(Train({train}), {step}),
    ),
    objectives={objectives},
)
"""

USUAL = {
    "dataset": 'Sklearn("digits")',
    "model": "MLP((OneOf(16, 24),))",
    "train": "epochs=4",
    "step": "Quantize(OneOf(8, 4))",
    "objectives": ("accuracy", "size_bytes"),
}

SILENT_STEP = """
from automl.recipe import Step

@dataclass(frozen=True)
class Drop(Step):
    def apply(self, network, context):
        weight = network.body.block0.linear.weight
        weight.data[weight.abs() < weight.abs().median()] = 0
        return network
"""

STEP = """
from dataclasses import replace

from automl.compression.changeable import changeable
from automl.compression.coded_weight import CodedWeight, Codes, along, code, coded_weight, held
from automl.models.family import copy_weights, edit_layers
from automl.models.layer_edits import LayerEdit
from automl.recipe import Step

@dataclass(frozen=True)
class Coarse(Step):
    bits: int = 4
    refine: bool = True

    def apply(self, network, context):
        found = changeable(network, context, "Coarse", (), lambda weight: "")
        names = [weight.layer for weight in found.weights.values()]
        coarse = edit_layers(network, {name: CoarseEdit(self.bits) for name in names})
        copy_weights(network, coarse)
        for weight in found.weights.values():
            take(coarse.body.get_submodule(weight.layer), weight.values.detach(), self)
        context.outcomes[self.label] = found.outcomes(dict.fromkeys(found.weights, "coarse"))
        return coarse.eval()

    def after(self, network):
        return [network.with_bits({layer.name: self.bits for layer in network.float_layers()})]

    def work(self, before, after, teacher, num_rows):
        return 2 * before

    def without_each_technique(self):
        return {"refinement": replace(self, refine=False)}

@dataclass(frozen=True)
class CoarseEdit(LayerEdit):
    bits: int

    def rebuild(self, layer):
        code(layer, "weight", CodedWeight(tuple(layer.weight.shape), Codes(self.bits)))
        return layer

def take(layer, weight, step):
    limit = 2 ** (step.bits - 1) - 1
    scale = weight.flatten(1).abs().amax(1) / limit * (0.9 if step.refine else 1.0)
    held(layer).copy_((weight / along(scale, weight)).round().clamp(-limit, limit))
    coded_weight(layer).scale.copy_(scale)
"""

OPTIMIZER = """
from automl.training.optimizers import Optimizer

@dataclass(frozen=True)
class SignDescent(Optimizer):
    usual_learning_rate = 0.01

    def build(self, parameters):
        return Signs(parameters, {"lr": 0.0})

class Signs(torch.optim.Optimizer):
    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter -= group["lr"] * parameter.grad.sign()
"""

FAMILY = """
from automl.models.family import Group, ModelFamily, Slice, chain

@dataclass(frozen=True)
class Wide(ModelFamily):
    width: int = 16

    def build(self, input_shape, num_outputs):
        hidden = nn.Linear(int(np.prod(input_shape)), self.width)
        last = nn.Linear(self.width, num_outputs)
        return chain(
            [("flatten", nn.Flatten()), ("first", hidden), ("relu", nn.ReLU()), ("last", last)]
        )

    def groups(self):
        made = Slice("first.weight", 0), Slice("first.bias", 0)
        return (Group(self.width, made, (Slice("last.weight", 1),)),)

    def with_widths(self, sizes):
        return Wide(*sizes)
"""

DATASET = """
from automl.data.dataset import Dataset
from automl.data.raw_dataset import RawDataset

@dataclass(frozen=True)
class Rings(Dataset):
    num_rows: int = 400

    def load(self):
        rng = np.random.default_rng(0)
        rows = rng.normal(size=(self.num_rows, 32)).astype(np.float32)
        targets = (np.square(rows).sum(1) > 31.3).astype(np.int64)
        return RawDataset(rows, targets, (32,), classes=("inner", "outer"))
"""

LOSS = """
from automl.training.losses import Loss

@dataclass(frozen=True)
class Focal(Loss):
    gamma: float = 2.0

    def __call__(self, outputs, targets, taught):
        losses = nn.functional.cross_entropy(outputs, targets, reduction="none")
        return ((1 - torch.exp(-losses)) ** self.gamma * losses).sum()
"""

PARALLELISM = """
from automl.training.parallel import Parallelism, Spread

@dataclass(frozen=True)
class InHalves(Parallelism):
    def spread(self, trainee):
        return Halved(trainee, trainee.called, trainee.optimizer)

class Halved(Spread):
    def learn(self, part, loss, divisor):
        return super().learn(part, loss, 2 * divisor) + super().learn(part, loss, 2 * divisor)

    def over_ranks(self, loss, rows):
        return loss.item() / 2, rows
"""

SCHEDULE = """
from automl.training.schedules import Schedule

@dataclass(frozen=True)
class SquareRoot(Schedule):
    initial: float

    def at(self, progress):
        return self.initial * (1 - progress) ** 0.5
"""

AUGMENTATION = """
from automl.training.augmentation import Augmentation

@dataclass(frozen=True)
class Dim(Augmentation):
    least: float = 0.5

    def __call__(self, rows):
        factors = torch.empty(len(rows), *[1] * (rows.dim() - 1)).uniform_(self.least, 1.0)
        return rows * factors
"""

METRIC = """
from automl import Metric

class MeanRecall(Metric):
    def __call__(self, outputs, targets):
        answers = outputs.argmax(1)
        return float(np.mean([(answers[targets == c] == c).mean() for c in np.unique(targets)]))
"""

PARTS = {
    "a step that says nothing": (SILENT_STEP, {"step": "Drop()"}),
    "a step": (STEP, {"step": "Coarse()"}),
    "an optimizer": (OPTIMIZER, {"train": "SignDescent(), epochs=4"}),
    "a family": (FAMILY, {"model": "Wide(OneOf(12, 16))"}),
    "a dataset": (DATASET, {"dataset": "Rings()"}),
    "a loss": (LOSS, {"train": "loss=Focal(), epochs=4"}),
    "a schedule": (SCHEDULE, {"train": "learning_rate=SquareRoot(0.02), epochs=4"}),
    "an augmentation": (AUGMENTATION, {"train": "augmentations=(Dim(),), epochs=4"}),
    "a metric": (METRIC, {"objectives": ("mean_recall", "size_bytes")}),
    "a parallelism": (PARALLELISM, {"train": "parallelism=InHalves(), epochs=4"}),
}


@pytest.fixture(params=PARTS)
def part(request):
    return request.param


@pytest.fixture
def path(part, tmp_path):
    """The space file."""
    text, used = PARTS[part]
    path = tmp_path / "own.py"
    path.write_text(SPACE.format(part=text, **{**USUAL, **used}))
    return path


def test_one_file_is_enough_for(part, path, tmp_path):
    search = study_of(str(path), 2, {}, tmp_path / "home")
    checked = examine(str(path), {}, search.home, run=True)
    assert checked.trial == "complete"
    records = search.study.records()
    assert [record.result.status for record in records] == ["complete", "complete"]
    bounds = Bounds(search.home.cache)
    for record in records:
        bound = bounds(search.config(record))
        assert bound.size_bytes <= record.result.measurement.size_bytes
        assert (bound.size_bytes == 0) == (part == "a step that says nothing")
        assert all(work > 0 for work in bound.steps.values())
        assert record.drawing.screened == ()
    search.export(tmp_path / "out", trial=records[0].trial_id)
    file = tmp_path / "out" / "model.onnx"
    assert file.stat().st_size == records[0].result.measurement.size_bytes
    found = search.explain(trial=records[0].trial_id, html=tmp_path / "explain.html")
    assert found.model.is_same
    without = [outcome.name for outcome in found.ablation.without]
    assert without == list(techniques(search.config(records[0])))
    assert all(outcome.status == "complete" for outcome in found.ablation.without)
    if part == "a metric":
        assert search.study.settings.axes["mean_recall"].best == 1.0
    if part == "a step":
        assert without == ["coarse", "refinement of coarse"]
