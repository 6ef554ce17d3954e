"""States of trainings: what is restored lies in memory as the weights do."""

import pytest
import torch
from torch import nn

from automl.training import optimizers
from automl.training.averaging import AVERAGE
from automl.training.optimizers import (
    Adadelta,
    Adagrad,
    AdamW,
    GradientDescent,
    Momentum,
    Muon,
    RMSprop,
)
from automl.training.precision import gradient_scaler
from automl.training.training_state import checkpoint, restore

SCALER = gradient_scaler("fp32", "cpu")
KINDS = [GradientDescent, Momentum, AdamW, Adagrad, RMSprop, Adadelta, Muon]


class Kept:
    """Checkpoints that hold a single one."""

    def __init__(self, files):
        self.files = files

    def load(self):
        return 1, self.files


def learning(config):
    """A network of channels_last weights, and its optimizer."""
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 2, 1), nn.Flatten()
    network = nn.Sequential(*layers, nn.Linear(8, 2)).to(memory_format=torch.channels_last)
    network.scale = nn.Parameter(torch.tensor(1.0))
    return network, config.build(network.parameters())


def step(network, optimizer):
    rows = torch.rand(5, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    rows = rows.to(memory_format=torch.channels_last)
    (network.scale * network(rows)).square().sum().backward()
    for group in optimizer.param_groups:
        group["lr"] = 0.01
    optimizer.step()
    optimizer.zero_grad()


def tensors(network, optimizer):
    """Each tensor of the state of each weight."""
    for number, weight in enumerate(network.parameters()):
        for name, value in optimizer.state[weight].items():
            if isinstance(value, torch.Tensor):
                yield f"{number}.{name}", value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("devices", [(), ("cpu",)], ids=["", "fused"])
def test_a_restored_state_is_what_it_was_and_lies_as_it_did(kind, devices, monkeypatch):
    monkeypatch.setattr(optimizers, "FUSED", devices)
    network, optimizer = learning(kind())
    step(network, optimizer)
    for weight in network.parameters():
        optimizer.state[weight][AVERAGE] = weight.detach().clone()
    files = checkpoint(network, optimizer, SCALER, 7)
    again, resumed = learning(kind())
    assert restore(Kept(files), again, resumed, SCALER) == (1, 7)
    before, after = dict(tensors(network, optimizer)), dict(tensors(again, resumed))
    assert before.keys() == after.keys()
    for name, value in before.items():
        assert torch.equal(value, after[name]), name
        assert value.stride() == after[name].stride(), name
        assert value.dtype == after[name].dtype, name
    step(network, optimizer)
    step(again, resumed)
    assert all(map(torch.equal, network.parameters(), again.parameters()))
