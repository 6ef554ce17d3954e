"""A file of a program that was traced once is, to the byte, that of torch's second trace."""

import pytest
import torch
from helpers.families import DATASETS, IMAGE, SMALL, built, parametrized
from helpers.registered import examples
from helpers.trials import finish, load
from torch import nn
from zoo.data import dataset as zoo_dataset
from zoo.declared import all_declared

from automl.compression.quantize import Quantize
from automl.data import dataset
from automl.errors import Rejected, UserError
from automl.export import onnx, onnx_patches
from automl.export.kept_graphs import KeptGraphs
from automl.export.lowered import lowered
from automl.models.convnet import ConvNet
from automl.models.family import Network, Spec
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.models.resnet import ResNet, ResNetStage
from automl.recipe import Step
from automl.training.loop import Train

STEPS = [param for param in examples(Step) if not isinstance(param.values[0], Train)]
aten = torch.ops.aten
WHOLE = {aten.linear.default, aten.relu.default, aten.permute.default, aten.add.Tensor}


@pytest.fixture
def exported(monkeypatch):
    """The file of a network or why there is none, traced once where that can be or always twice;
    and whether each of its programs was traced once."""

    def exported(network, data, is_always_twice=False):
        once = []

        def seen(program, is_whole):
            once.append(not is_always_twice and lowered(program, is_whole))
            return once[-1]

        monkeypatch.setattr(onnx_patches, "lowered", seen)
        monkeypatch.setattr(onnx, "GRAPHS", KeptGraphs())
        try:
            return onnx.export(network, data), once
        except Rejected as refused:
            return str(refused), once

    return exported


def check(network, data, exported):
    """Returns whether all programs were traced once."""
    file, once = exported(network, data)
    assert exported(network, data, is_always_twice=True)[0] == file
    return all(once)


@parametrized(SMALL)
def test_every_family_is_traced_once(family, shape, exported):
    assert check(built(family, shape).eval(), load(DATASETS[shape]), exported)


@pytest.mark.parametrize("bits", [8, 2])
def test_quantized_layers_are_traced_once(bits, exported, context):
    step = Quantize(bits=bits, training=Train(epochs=0))
    network = finish(step.run(built(ConvNet((8, 16)), IMAGE), context))
    assert check(network, context.data, exported)


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("family", [MLP((16,)), ConvNet((8, 16)), ResNet((ResNetStage(8),))])
def test_after_every_step(family, step, exported, context):
    try:
        network = finish(step.run(built(family, IMAGE), context))
    except (UserError, Rejected) as refused:
        pytest.skip(str(refused))
    check(network, context.data, exported)


@pytest.mark.slow
@pytest.mark.parametrize("declared", all_declared().values(), ids=lambda one: one.name)
def test_of_modules_as_people_have_them(declared, exported, tmp_path):
    if not declared.is_there:
        pytest.skip(f"without {declared.needs}")
    data = dataset.load(zoo_dataset(declared.data, tmp_path), 0, tmp_path)
    info = data.info
    spec = Spec(Imported(declared.factory), info.input_shape, len(info.classes), info.num_tokens)
    try:
        network = Network(spec).eval()
    except UserError as refused:
        pytest.skip(str(refused))
    check(network, data, exported)


def traced(module):
    free = ({0: torch.export.Dim("batch", min=1, max=16)},)
    return torch.export.export(module.eval(), (torch.ones(2, 4, 4),), dynamic_shapes=free)


class Turned(nn.Module):
    def forward(self, rows):
        return rows.permute(0, 2, 1).reshape(-1, 16) + 1


class ReadBefore(nn.Linear):
    def forward(self, rows):
        made = super().forward(rows)
        before = made.permute(0, 2, 1)
        return before + made.relu_()


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def forward(self, rows):
        self.count += 1
        return rows + self.count


def test_what_needs_more_is_left_as_it_is():
    layer = nn.Linear(4, 4)
    more = {
        "read": ReadBefore(4, 4),
        "unknown": nn.Sequential(layer, nn.Hardswish()),
        "tied": nn.Sequential(layer, nn.Flatten(0, 0), layer),
        "turned": Turned(),
        "rows": nn.Sequential(layer, nn.Flatten(0)),
        "kept": Counting(),
        "nothing": nn.Flatten(1, 1),
    }
    for name, module in more.items():
        program = traced(module)
        before = str(program.graph), str(program.graph_signature)
        assert not lowered(program, WHOLE.__contains__), name
        assert (str(program.graph), str(program.graph_signature)) == before


def test_answers_of_a_lowered_program_are_the_same():
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Flatten())
    program, rows = traced(module), torch.linspace(-1, 1, 48).reshape(3, 4, 4)
    assert lowered(program, WHOLE.__contains__)
    program.graph_module.recompile()
    assert torch.equal(program.module()(rows), module(rows))
