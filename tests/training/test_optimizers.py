"""Optimizers of one kernel: where a device has such, tried with the processor's."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from automl.config import decode, encode
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
from automl.training.parallel import Spread, Trainee
from automl.training.precision import gradient_scaler

EVERY = [SGD(), Momentum(), Nesterov(), Adam(), AdamW(), Adagrad(), RMSprop(), Adadelta(), Muon()]
ONE_KERNEL = [GradientDescent(), SGD(), Momentum(0.0), Adam(), AdamW()]


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


def stepping(config, monkeypatch, precision="fp32"):
    """Two weights, their optimizer as a device has it, and a step by a loss of them."""
    monkeypatch.setattr(optimizers, "FUSED", ("cpu",))
    torch.manual_seed(0)
    weights = nn.ParameterList([nn.Parameter(torch.rand(64, 64)) for _ in range(2)])
    optimizer, scaler = config.build(weights), gradient_scaler(precision, "cpu")
    spread = Spread(Trainee(weights, weights, optimizer, None, None, scaler), weights, optimizer)

    def step(loss):
        scaler.scale(loss).backward()
        spread.step(0.01)

    return weights, step


@pytest.mark.parametrize("config", EVERY, ids=lambda config: type(config).__name__)
def test_a_step_whose_gradients_overflow_leaves_no_trace(config, monkeypatch):
    weights, step = stepping(config, monkeypatch, "fp16")
    before = [weight.detach().clone() for weight in weights]
    junk = [torch.full((64, 64), 1e30) for _ in range(50)]
    del junk
    step(sum(weight.sum() for weight in weights) * 1e38)
    assert all(torch.equal(a, b) for a, b in zip(weights, before, strict=True))
    step(sum(weight.square().mean() for weight in weights))
    assert all((a - b).abs().max() < 1 for a, b in zip(weights, before, strict=True))


@pytest.mark.parametrize("config", EVERY, ids=lambda config: type(config).__name__)
def test_a_weight_may_get_its_first_gradient_later(config, monkeypatch):
    weights, step = stepping(config, monkeypatch)
    before = weights[1].detach().clone()
    step(weights[0].square().sum())
    assert torch.equal(weights[1], before)
    step(sum(weight.square().sum() for weight in weights))
    assert not torch.equal(weights[1], before)


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


@pytest.mark.parametrize("config", EVERY, ids=lambda config: type(config).__name__)
def test_decay_spares_what_has_less_than_two_dimensions(config):
    """A step of gradient 0 moves what decays, and nothing else."""

    def shrunk(config):
        kernel, matrix, scale = (nn.Parameter(torch.ones((2,) * n)) for n in (4, 2, 1))
        optimizer = config.build([scale, kernel, matrix])
        for parameter in (kernel, matrix, scale):
            parameter.grad = torch.zeros_like(parameter)
        for group in optimizer.param_groups:
            group["lr"] = 0.1
        optimizer.step()
        return [bool((parameter < 1).all()) for parameter in (kernel, matrix, scale)]

    config = replace(config, weight_decay=0.5)
    assert shrunk(config) == [True, True, False]
    assert shrunk(replace(config, decay_all=True)) == [True, True, True]
    assert shrunk(replace(config, weight_decay=0.0)) == [False, False, False]


def test_a_config_without_the_choice_decays_all():
    """As one did that was written before there was the choice."""
    assert decode({"type": "SGD", "weight_decay": 0.5}) == SGD(0.5, decay_all=True)
    assert "decay_all" not in encode(SGD(0.5, decay_all=True))
