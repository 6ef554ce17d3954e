from dataclasses import replace

import pytest
import torch
from conftest import drive, finish

from automl.models.mlp import MLP
from automl.training.loop import Train
from automl.training.losses import Distill
from automl.training.optimizers import SGD, AdamW
from automl.training.schedules import Cosine, Fixed, Staircase


def weights(network):
    return network.state_dict()


def equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("optimizer", [SGD(nesterov=True), AdamW()])
def test_a_killed_training_goes_on_bit_identically(optimizer, context, build):
    step = Train(optimizer=optimizer, learning_rate=Cosine(0.01), epochs=5)
    whole = finish(step.run(build(MLP((16,))), context))
    context.checkpoints.clear()
    killed = step.run(build(MLP((16,))), context)
    for _ in range(3):
        next(killed)
    killed.close()
    resumed = step.run(build(MLP((16,))), context)
    assert next(resumed).epoch == 4
    assert equal(weights(whole), weights(finish(resumed)))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(context, build):
    step = Train(epochs=1)

    def trained(seed):
        context.checkpoints.clear()
        return weights(finish(step.run(build(MLP((16,))), replace(context, seed=seed))))

    assert equal(trained(0), trained(0))
    assert not equal(trained(0), trained(1))


def test_reports_count_epochs_and_carry_loss_and_accuracy(context, build):
    reports = list(
        Train(epochs=3, label="mine", learning_rate=Cosine(0.01)).run(build(MLP((16,))), context)
    )
    assert [(r.step, r.epoch, r.epochs) for r in reports] == [("mine", i, 3) for i in (1, 2, 3)]
    assert reports[-1].metrics["loss"] < reports[0].metrics["loss"]
    assert reports[-1].metrics["accuracy"] > 0.5


def test_a_growing_batch_means_fewer_steps(context, build, monkeypatch):
    counts = []
    step_of = torch.optim.SGD.step
    monkeypatch.setattr(torch.optim.SGD, "step", lambda *a, **k: counts.append(1) or step_of(*a))
    batch = Staircase(initial=32, factor=2, stairs=3)
    reports = Train(optimizer=SGD(), learning_rate=Fixed(0.01), batch_size=batch, epochs=3)
    per_epoch = []
    for _ in reports.run(build(MLP((16,))), context):
        per_epoch.append(len(counts))
        counts.clear()
    rows = len(context.data.train.targets)
    assert per_epoch == [round(rows / 32 + 0.5), round(rows / 64 + 0.5), round(rows / 128 + 0.5)]


def test_a_diverged_training_fails_with_its_step_and_epoch(context, build):
    step = Train(optimizer=SGD(), learning_rate=Fixed(1e18), epochs=2)
    with pytest.raises(ArithmeticError, match=r"step 'train' is (nan|inf) at epoch 1"):
        list(step.run(build(MLP((16,))), context))


def test_distillation_learns_from_the_named_step(config, store):
    student = Train(label="student", loss=Distill(teacher="train", weight=1.0), epochs=3)
    reports, result = drive(replace(config, recipe=(config.recipe[0], student)), store)
    assert result.status == "complete"
    losses = [r.metrics["loss"] for r in reports if r.step == "student"]
    assert losses[-1] < losses[0]
