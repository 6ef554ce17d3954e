"""Optimizers of one kernel: where a device has such, tried with the processor's."""

import pytest
import torch
from torch import nn

from automl.training import optimizers
from automl.training.optimizers import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    GradientDescent,
    Momentum,
    Muon,
    Nesterov,
    RMSprop,
    clip_gradients,
)

EVERY = [SGD(), Momentum(), Nesterov(), Adam(), AdamW(), Adagrad(), RMSprop(), Adadelta(), Muon()]
ONE_KERNEL = [GradientDescent(), SGD(), Momentum(), Nesterov(), Adam(), AdamW()]


class Piece(nn.Parameter):
    """A parameter of another kind, as DTensor is."""


def moved(config, kind=nn.Parameter):
    torch.manual_seed(0)
    parameters = [kind(torch.rand(4, 4)), kind(torch.rand(4))]
    optimizer = config.build(parameters)
    for _ in range(3):
        for parameter in parameters:
            parameter.grad = parameter.detach() ** 2
        optimizer.step()
    return optimizer, parameters


@pytest.mark.parametrize("config", [*ONE_KERNEL, Muon()], ids=lambda config: type(config).__name__)
def test_one_kernel_moves_the_weights_as_many_do(config, monkeypatch):
    plain, expected = moved(config)
    assert not any(group.get("fused") for group in plain.param_groups)
    monkeypatch.setattr(optimizers, "FUSED", ("cpu",))
    fused, found = moved(config)
    assert fused.param_groups[-1]["fused"] is True
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, expected, strict=True))


def test_parameters_in_pieces_are_moved_one_by_one(monkeypatch):
    monkeypatch.setattr(optimizers, "FUSED", ("cpu",))
    optimizer, _ = moved(AdamW(), Piece)
    assert not optimizer.param_groups[0].get("fused")


@pytest.mark.parametrize(("most", "expected"), [(1.0, [0.6, 0.8]), (6.0, [3.0, 4.0])])
@pytest.mark.parametrize("config", [SGD(), Muon()], ids=["SGD", "Muon"])
def test_gradients_are_shortened_together(config, most, expected):
    parameters = [nn.Parameter(torch.zeros(1, 1)), nn.Parameter(torch.zeros(1)), nn.Parameter()]
    optimizer = config.build(parameters[:2])
    clip_gradients(optimizer, most, lambda squares: squares)
    parameters[0].grad, parameters[1].grad = torch.full((1, 1), 3.0), torch.full((1,), 4.0)
    optimizer.step()
    found = [parameter.grad.item() for parameter in parameters[:2]]
    assert found == pytest.approx(expected, rel=1e-5)
