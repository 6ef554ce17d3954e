"""A file of a kept graph is, to the byte, the file of a graph that was traced for it."""

import copy

import pytest
import torch
from helpers.families import DATASETS, IMAGE, SMALL, built, parametrized
from helpers.registered import examples
from helpers.trials import finish, load
from torch import nn

from automl.compression.factorize import Factorize
from automl.compression.quantize import Quantize
from automl.errors import Rejected, UserError
from automl.export import onnx
from automl.export.kept_graphs import KeptGraphs, structure
from automl.models.convnet import ConvNet
from automl.models.mlp import MLP
from automl.models.resnet import ResNet, ResNetStage
from automl.recipe import Step
from automl.training.loop import Train

STEPS = [param for param in examples(Step) if not isinstance(param.values[0], Train)]
CHANGES = {
    "other": lambda tensor: tensor.mul(1.25).add(0.01),
    "zeros": torch.zeros_like,
    "ones": torch.ones_like,
}
"""Numbers that an optimizer of graphs may take for what does nothing, or for one another."""


@pytest.fixture
def graphs(monkeypatch):
    graphs = KeptGraphs()
    monkeypatch.setattr(onnx, "GRAPHS", graphs)
    return graphs


def changed(network, change):
    """The same structure with other numbers: of biases, and of all parameters."""
    for names in ("bias", ""):
        other = copy.deepcopy(network)
        with torch.no_grad():
            for name, parameter in other.named_parameters():
                if name.endswith(names):
                    parameter.copy_(CHANGES[change](parameter))
        yield other


def check(network, data, graphs):
    """Returns how many files were of kept graphs."""
    onnx.export(network, data)
    num_kept = 0
    for other in (one for change in CHANGES for one in changed(network, change)):
        before = len(graphs.models)
        try:
            file = onnx.export(other, data)
        except Rejected:
            continue
        num_kept += len(graphs.models) == before > 0
        graphs.models.clear()
        assert onnx.export(other, data) == file
    return num_kept


@parametrized(SMALL)
def test_of_every_family(family, shape, graphs):
    assert check(built(family, shape).eval(), load(DATASETS[shape]), graphs) == 6


@pytest.mark.parametrize("bits", [8, 2])
def test_after_quantizing(bits, graphs, context):
    step = Quantize(bits=bits, training=Train(epochs=0))
    assert check(finish(step.run(built(ConvNet((8, 16)), IMAGE), context)), context.data, graphs)


@pytest.mark.parametrize("step", [Quantize(), Factorize(share=0.5)])
def test_two_networks_compressed_alike_share_a_graph(step, graphs, context):
    for _ in range(2):
        onnx.export(finish(step.run(built(ConvNet((8, 16)), IMAGE), context)), context.data)
    assert len(graphs.models) == 1


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("family", [MLP((16,)), ConvNet((8, 16)), ResNet((ResNetStage(8),))])
def test_after_every_step(family, step, graphs, context):
    try:
        network = finish(step.run(built(family, IMAGE), context))
    except (UserError, Rejected) as refused:
        pytest.skip(str(refused))
    assert check(network, context.data, graphs) >= 0


def test_what_differs_in_more_than_numbers_has_a_graph_of_its_own():
    layers = nn.Linear(4, 4), nn.Linear(4, 4)
    plain, again = nn.Sequential(*layers), nn.Sequential(*copy.deepcopy(layers))
    assert structure(plain) == structure(again)
    tied = nn.Sequential(layers[0], layers[0])
    assert structure(tied) != structure(plain)
    assert structure(nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 4))) != structure(plain)
    assert structure(nn.ELU(0.5)) != structure(nn.ELU(1.0))
    assert structure(nn.LeakyReLU(0.0)) != structure(nn.LeakyReLU(-0.0))


def test_graphs_of_code_that_is_not_known_are_not_kept():
    class Own(nn.Module):
        pass

    hooked, holding = nn.Linear(2, 2), nn.Linear(2, 2)
    hooked.register_forward_hook(lambda module, inputs, output: output)
    holding.constant = torch.ones(2)
    for module in (Own(), hooked, holding):
        assert structure(nn.Sequential(module)) is None
