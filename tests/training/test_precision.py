"""Precisions of a training, on the processor, where torch has them all."""

import copy

import pytest
import torch
from helpers.trials import finish
from torch import nn

from automl.config import choices, import_choices
from automl.errors import UserError
from automl.models.convnet import ConvNet
from automl.models.mlp import MLP
from automl.training import optimizers
from automl.training.loop import Train
from automl.training.optimizers import SGD, Adam, AdamW, Muon, Nesterov, clip_gradients
from automl.training.parallel import Parallelism, Spread, Trainee
from automl.training.precision import (
    PRECISIONS,
    answers,
    fast_and_repeatable,
    gradient_scaler,
)
from automl.training.schedules import Cosine, Fixed

import_choices()


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("family", [MLP((16,)), ConvNet((8, 16))], ids=["MLP", "ConvNet"])
def test_every_precision_learns(precision, family, context, build):
    step = Train(AdamW(), Cosine(0.01), epochs=3, precision=precision)
    *_, last = step.run(build(family), context)
    assert last.metrics["accuracy"] > 0.8


@pytest.mark.parametrize("precision", PRECISIONS)
def test_answers_are_fp32_of_numbers_of_the_precision(precision):
    kinds = []
    layer = nn.Linear(4, 4)
    layer.register_forward_hook(lambda module, inputs, outputs: kinds.append(outputs.dtype))
    assert answers(layer, torch.rand(2, 4), precision).dtype == torch.float32
    assert kinds == [PRECISIONS[precision] or torch.float32]


@pytest.mark.parametrize("optimizer", [SGD(), Nesterov(), Adam(), AdamW(), Muon()])
def test_a_killed_training_in_fp16_goes_on_bit_identically(optimizer, context, build):
    step = Train(optimizer, Fixed(0.01), epochs=4, precision="fp16")
    whole = finish(step.run(build(MLP((16,))), context)).state_dict()
    context.checkpoints.clear()
    killed = step.run(build(MLP((16,))), context)
    next(killed), next(killed)
    killed.close()
    resumed = finish(step.run(build(MLP((16,))), context)).state_dict()
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_a_step_whose_gradients_overflow_is_left_out_and_the_next_is_scaled_less():
    scaler, layer = gradient_scaler("fp16", "cpu"), nn.Linear(1, 1)
    before, optimizer = copy.deepcopy(layer.state_dict()), torch.optim.SGD(layer.parameters(), 1.0)
    for factor, moves in ((1e38, False), (1.0, True)):
        scale = scaler.get_scale()
        scaler.scale(factor * layer(torch.ones(1, 1)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        moved = any(not torch.equal(before[name], t) for name, t in layer.state_dict().items())
        assert moved is moves
        assert (scaler.get_scale() < scale) is not moves


@pytest.mark.parametrize("fused", [(), ("cpu",)], ids=["plain", "fused"])
def test_gradients_are_clipped_as_they_are_without_a_scale(fused, monkeypatch):
    monkeypatch.setattr(optimizers, "FUSED", fused)
    scaler, layer = gradient_scaler("fp16", "cpu"), nn.Linear(1, 1, bias=False)
    before, optimizer = layer.weight.item(), SGD().build(layer.parameters())
    clip_gradients(optimizer, 0.5, lambda squares: squares)
    trainee = Trainee(layer, layer, optimizer, SGD().build, nn.Module.__call__, scaler)
    scaler.scale(3 * layer(torch.ones(1, 1)).sum()).backward()
    Spread(trainee, layer, optimizer).step(1.0)
    assert before - layer.weight.item() == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_gradients_of_other_precisions_are_not_scaled(precision):
    value = torch.tensor(3.0)
    assert gradient_scaler(precision, "cpu").scale(value) is value


@pytest.mark.parametrize("name", choices(Parallelism))
def test_what_cannot_scale_gradients_refuses_fp16(name):
    mode = choices(Parallelism)[name]()
    step = Train(precision="fp16", parallelism=mode)
    if mode.scales_gradients:
        step.check(())
        return
    with pytest.raises(UserError, match=f"gradients {name} cannot scale; take bf16"):
        step.check(())


def test_the_processor_computes_as_ever():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.deterministic
    with fast_and_repeatable("cpu"):
        assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.deterministic) == before


def test_a_cuda_device_gets_its_settings_back():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.deterministic
    with fast_and_repeatable("cuda:1"):
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cudnn.deterministic
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.deterministic) == before
