"""Averages of weights: what they are, and that they are validated, handed on and kept."""

from dataclasses import replace

import pytest
import torch
from helpers.trials import finish

from automl import quality
from automl.models.convnet import ConvNet
from automl.models.deployed import Deployed, predict
from automl.models.mlp import MLP
from automl.training.averaging import EMA, SWA, Averaging
from automl.training.distillation import Mutual
from automl.training.loop import Train
from automl.training.optimizers import SGD, Muon
from automl.training.schedules import Fixed
from automl.training.trainable import Gradual, Head, LoRA

AVERAGES = [EMA(), EMA(0.9), SWA(), SWA(0.0)]


def equal(a, b):
    a, b = a.state_dict(), b.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


def passed_through(average, rates, epochs=1):
    """The average of a weight that begins at 0 and moves by these rates, and where it was."""
    weight = torch.nn.Parameter(torch.zeros(1))
    module = torch.nn.ParameterList([weight])
    averaging = Averaging(average, module, module, None, lambda done: None)
    optimizer, places = torch.optim.SGD([weight]), []
    averaging.follow(optimizer)
    for number, rate in enumerate(rates):
        averaging.begin_epoch(number * epochs // len(rates), epochs)
        weight.grad = torch.full((1,), -1.0)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        places.append(weight.item())
    averaging.put(optimizer)
    return weight.item(), places


def test_swa_is_the_mean_of_the_last_epochs():
    found, places = passed_through(SWA(0.5), [1, 2, 3, 4, 5, 6, 7, 8], epochs=4)
    assert found == pytest.approx(sum(places[4:]) / 4)


def test_swa_of_a_single_epoch_is_of_that():
    found, places = passed_through(SWA(0.9), [1, 2])
    assert found == pytest.approx(sum(places) / 2)


def test_ema_forgets_its_first_weights_sooner_than_its_decay_says():
    found, places = passed_through(EMA(0.9999), [1.0] * 30)
    assert places[10] < found < places[-1]
    expected = places[0]
    for number, place in enumerate(places[1:], 1):
        expected += (1 - (1 + number) / (10 + number)) * (place - expected)
    assert found == pytest.approx(expected)
    found, places = passed_through(EMA(0.5), [1.0] * 30)
    assert places[-1] - found == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("average", AVERAGES, ids=str)
@pytest.mark.parametrize("optimizer", [SGD(), Muon()], ids=["SGD", "Muon"])
def test_a_killed_training_goes_on_with_its_average(average, optimizer, context, build):
    """Also one that was killed after its last epoch."""
    step = Train(optimizer, epochs=4, average=average)
    whole = finish(step.run(build(ConvNet((8,))), context))
    context.checkpoints.clear()
    for epochs in (3, 4):
        killed = step.run(build(ConvNet((8,))), context)
        for _ in range(1 if epochs == 4 else epochs):
            next(killed)
        killed.close()
    assert equal(whole, finish(step.run(build(ConvNet((8,))), context)))


@pytest.mark.parametrize("average", [EMA(), SWA()], ids=str)
def test_what_was_reported_is_what_is_handed_on(average, context, build):
    training = Train(epochs=3, average=average).run(build(ConvNet((8,))), context)
    reports = [next(training) for _ in range(3)]
    network, rows = finish(training), context.data.validation
    answers = predict(Deployed(network, context.data.info), torch.from_numpy(rows.inputs))
    measured = quality.measured(answers.numpy(), rows.targets)
    assert measured == {name: reports[-1].metrics[name] for name in measured}


def test_the_training_itself_is_that_without_an_average(context, build):
    losses = []
    for average in (None, EMA(), SWA(0.0)):
        context.checkpoints.clear()
        training = Train(epochs=3, average=average).run(build(ConvNet((8,))), context)
        losses.append([report.metrics["loss"] for report in training])
    assert losses[0] == losses[1] == losses[2]


def test_batch_norms_have_the_moments_of_the_averaged_network(context, build):
    network = finish(Train(epochs=2, average=EMA()).run(build(MLP((16,))), context))
    norm = next(m for m in network.modules() if isinstance(m, torch.nn.BatchNorm1d))
    seen = []
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    rows = torch.from_numpy(context.data.train.inputs)
    predict(Deployed(network, context.data.info), rows, len(rows))
    assert torch.allclose(norm.running_mean, seen[0].mean(0), atol=1e-4)


@pytest.mark.parametrize("trainable", [Head(), Gradual(), LoRA()], ids=str)
def test_norms_that_do_not_learn_keep_their_statistics(trainable, context, build):
    network = build(MLP((16, 16)))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    step = Train(epochs=2, average=EMA(), trainable=trainable)
    after = finish(step.run(network, context)).state_dict()
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved
    assert any("running" in name for name in moved) == isinstance(trainable, Gradual)


def test_zeros_stay_and_what_learns_beside_is_averaged_too(context, build):
    network = build(MLP((16,)))
    network.spec = replace(network.spec, keeps_zeros=True)
    weight = next(p for p in network.parameters() if p.ndim > 1)
    weight.data[::2] = 0
    step = Train(learning_rate=Fixed(0.01), epochs=2, loss=Mutual(), average=SWA())
    trained = finish(step.run(network, context))
    weight = next(p for p in trained.parameters() if p.ndim > 1)
    assert not weight[::2].any() and weight[1::2].any()
