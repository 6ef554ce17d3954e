import itertools
import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from helpers.trials import DIGITS, drive, finish, load

from automl import config_checks
from automl.compression.quantize import Quantize
from automl.data.linear_map import LinearMap
from automl.data.sklearn import Sklearn
from automl.errors import UserError
from automl.models.convnet import ConvNet
from automl.models.linear import Linear
from automl.models.mlp import MLP
from automl.space.space import TrialConfig
from automl.training.augmentation import Flip, RandomErasing, Shift
from automl.training.averaging import EMA
from automl.training.distillation import Distill
from automl.training.image_augmentation import Affine, Colour, RandAugment
from automl.training.loop import Train
from automl.training.losses import CrossEntropy, MeanSquaredError
from automl.training.mixing import Cutmix
from automl.training.optimizers import SGD, Adadelta, AdamW, GradientDescent, Muon, Nesterov
from automl.training.schedules import Cosine, Exponential, Fixed, Ramp, Staircase

INFO = load(DIGITS).info
OF_IMAGES = [Flip, Affine, Colour, RandAugment]


def weights(network):
    return network.state_dict()


def equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("optimizer", [Nesterov(), AdamW(), Muon()])
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


def test_a_batch_of_one_row_is_one_of_two_where_a_batch_norm_needs_them(context, build):
    def trained(family, size):
        context.checkpoints.clear()
        context.notes.clear()
        step = Train(batch_size=Fixed(size), epochs=1, row_share=0.1)
        return weights(finish(step.run(build(family), context))), list(context.notes)

    two, none = trained(MLP((16,)), 2)
    one, (note,) = trained(MLP((16,)), 1)
    assert equal(one, two)
    assert not none and note.startswith("step 'train' learned from at least 2 rows at once")
    for family in (MLP((16,), normalisation="none"), ConvNet((4,))):
        one, notes = trained(family, 1)
        assert not notes
        assert not equal(one, trained(family, 2)[0])


def test_a_growing_batch_means_fewer_steps(context, build, monkeypatch):
    counts = []
    step_of = torch.optim.SGD.step
    monkeypatch.setattr(torch.optim.SGD, "step", lambda *a, **k: counts.append(1) or step_of(*a))
    batch = Staircase(initial=32, factor=2, stairs=3)
    reports = Train(optimizer=SGD(), learning_rate=Fixed(0.01), batch_size=batch, epochs=3)
    per_epoch, told = [], []
    for report in reports.run(build(MLP((16,))), context):
        per_epoch.append(len(counts))
        told.append(report.batches)
        counts.clear()
    rows = len(context.data.train.targets)
    assert per_epoch == [round(rows / 32 + 0.5), round(rows / 64 + 0.5), round(rows / 128 + 0.5)]
    assert told == pytest.approx(list(itertools.accumulate(per_epoch)), abs=3)


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


@pytest.mark.parametrize(
    "step",
    [
        Train(precision="bf16", epochs=4),
        Train(channels_last=True, augmentations=(Flip(), Shift(1), None), epochs=4),
        Train(optimizer=Adadelta(), mixup=0.4, batch_scaling="linear", epochs=4),
        Train(optimizer=GradientDescent(), loss=CrossEntropy(0.1, balanced=True), epochs=4),
        Train(
            augmentations=(Affine(), Colour(), RandAugment(1, 0.1), Cutmix()),
            mixup=Ramp(0.0, 0.2),
            average=EMA(),
            clip_gradient_norm=1.0,
            epochs=4,
        ),
    ],
    ids=["bf16", "channels_last", "mixup", "full_batch", "changed_rows"],
)
def test_every_way_of_training_learns_and_goes_on_bit_identically(step, context, build):
    whole = step.run(build(ConvNet((8,))), context)
    losses = [next(whole).metrics["loss"] for _ in range(4)]
    assert losses[-1] < losses[0]
    context.checkpoints.clear()
    killed = step.run(build(ConvNet((8,))), context)
    for _ in range(3):
        next(killed)
    killed.close()
    resumed = finish(step.run(build(ConvNet((8,))), context))
    assert equal(weights(finish(whole)), weights(resumed))


def test_a_full_batch_is_one_step_an_epoch_in_parts(context, build, monkeypatch):
    """Parts of a batch, each with its gradient, add up to the batch."""
    step = Train(optimizer=GradientDescent(), learning_rate=Fixed(0.1), epochs=1)
    whole = finish(step.run(build(MLP((16,), normalisation="none")), context))
    context.checkpoints.clear()
    monkeypatch.setattr("automl.training.batches.MAX_ROWS_AT_ONCE", 100)
    parts = finish(step.run(build(MLP((16,), normalisation="none")), context))
    for name, value in weights(whole).items():
        assert torch.allclose(value, weights(parts)[name], atol=1e-6)


@pytest.mark.parametrize(("scaling", "factor"), [("none", 1), ("sqrt", 2), ("linear", 4)])
def test_the_learning_rate_may_grow_with_the_batch(scaling, factor, context, build, monkeypatch):
    rates = []
    step_of = torch.optim.SGD.step
    monkeypatch.setattr(
        torch.optim.SGD,
        "step",
        lambda self, *a: rates.append(self.param_groups[0]["lr"]) or step_of(self, *a),
    )
    step = Train(
        *(SGD(), Fixed(0.01), Staircase(32, 4.0, stairs=2)), epochs=2, batch_scaling=scaling
    )
    finish(step.run(build(MLP((16,))), context))
    assert set(rates) == {0.01, 0.01 * factor}


def test_a_compiled_model_trains(context, build):
    step = Train(batch_size=Fixed(2000), compile=True, epochs=2)
    reports = list(step.run(build(Linear()), context))
    assert reports[1].metrics["loss"] < reports[0].metrics["loss"]
    assert context.notes == []


@pytest.mark.parametrize(
    ("step", "most", "expected"),
    [
        (Train(batch_size=Fixed(64)), 64, True),
        (Train(batch_size=Fixed(64)), 63, False),
        (Train(batch_size=Staircase(32, 2.0, stairs=2)), 64, False),
        (Train(optimizer=GradientDescent()), 64, False),
        (Train(optimizer=GradientDescent()), 5000, True),
        (Train(optimizer=GradientDescent(), row_share=0.5), 700, True),
        (Train(batch_size=Fixed(10)), 10, False),
        (Train(batch_size=Fixed(10)), 11, True),
    ],
)
def test_a_device_replays_graphs_only_of_whole_batches(
    step, most, expected, context, build, monkeypatch
):
    """Gradients that graphs made may not be added up. Of 1001 rows the last joins the last ten."""
    asked = []

    def compiled(at_once, part, graphs):
        asked.append(graphs)
        return at_once.module, ""

    monkeypatch.setattr("automl.training.loop.compiled", compiled)
    monkeypatch.setattr("automl.training.batches.MAX_ROWS_AT_ONCE", most)
    data = context.data
    train = replace(data.train, inputs=data.train.inputs[:1001], targets=data.train.targets[:1001])
    some = replace(context, data=replace(data, train=train))
    finish(replace(step, compile=True, epochs=1).run(build(Linear()), some))
    assert asked == [expected]


def test_training_without_a_compiler_works_and_is_noted(context, build, monkeypatch):
    plain = finish(Train(epochs=1).run(build(MLP((8,))), context))
    context.checkpoints.clear()
    torch.compiler.reset()
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("no-such-compiler",))
    monkeypatch.setattr("torch._inductor.config.force_disable_caches", True)
    trained = finish(Train(compile=True, epochs=1).run(build(MLP((8,))), context))
    assert equal(weights(plain), weights(trained))
    (note,) = context.notes
    assert note.startswith("step 'train' is not compiled: ")


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (Train(precision="fp64"), "unknown precision of step 'train' 'fp64'; did you mean 'fp16'"),
        (Train(batch_scaling="root"), "unknown batch_scaling of step 'train' 'root'"),
        (Train(loss=Distill("teacher")), "which is no step before it"),
        (Train(epochs=0), "epochs of step 'train' is 0; it must be at least 1"),
        (Train(epochs=-1), "epochs of step 'train' is -1; it must be at least 1"),
        (Train(batch_size=Fixed(0)), "batch_size of step 'train' runs from 0 to 0; hold it at 1"),
        (Train(batch_size=Exponential(8, 0.1)), "from 0.8.* to 8; hold it at 1 or more"),
        (Train(batch_size=Fixed(math.inf)), "batch_size of step 'train' runs from inf"),
        (Train(learning_rate=Fixed(-0.1)), "learning_rate of step 'train' runs from -0.1"),
        (Train(mixup=Ramp(0.5, -0.5)), "mixup of step 'train' runs from -0.49 to 0.5; hold it"),
    ],
)
def test_a_step_that_cannot_be_is_told(step, sentence):
    with pytest.raises(UserError, match=sentence):
        step.check(())


@pytest.mark.parametrize("mixup", [-1, math.nan])
def test_a_mixup_that_cannot_be_is_told(mixup):
    with pytest.raises(UserError, match="step 'train': mixup must be at least 0, not"):
        config_checks.check(Train(mixup=mixup))


def test_no_epochs_leave_the_model_as_it_is(context, build):
    trained = finish(Train(epochs=0).run(build(MLP((16,))), context))
    assert equal(weights(trained), weights(build(MLP((16,)))))


@pytest.mark.parametrize(
    ("step", "dataset", "sentence"),
    [
        (Train(loss=MeanSquaredError()), DIGITS, "for classes use CrossEntropy"),
        (Train(augmentations=(Flip(),)), Sklearn("iris"), "Flip, which does not suit rows of"),
        (Train(augmentations=(Shift(),)), Sklearn("iris"), "Shift, which does not suit rows of"),
    ],
)
def test_a_step_that_does_not_suit_the_data_is_told(step, dataset, sentence):
    with pytest.raises(UserError, match=sentence):
        step.check_data(load(dataset).info)


@pytest.mark.parametrize("space", [(), (16,), (16, 16), (8, 16, 16)])
@pytest.mark.parametrize("kind", [Shift, RandomErasing, Cutmix, *OF_IMAGES])
def test_augmentations_suit_the_rows_that_they_are_of(kind, space):
    """Those of images are refused for volumes; the others take rows of any space."""
    shape, rows = (3, *space), torch.rand(4, 3, *space)
    check = partial(Train(augmentations=(kind(),)).check_data, replace(INFO, input_shape=shape))
    if len(space) in ((2,) if kind in OF_IMAGES else (1, 2, 3)):
        check()
        assert kind()(rows).shape == rows.shape
    else:
        with pytest.raises(UserError, match="which does not suit rows of shape"):
            check()


def test_a_regression_is_learned_in_the_units_of_its_targets(store):
    recipe = (Train(learning_rate=Cosine(0.01), epochs=20), Quantize())
    reports, result = drive(TrialConfig(LinearMap(noise=0.1), Linear(), recipe), store)
    assert (result.status, result.reason) == ("complete", "")
    assert result.measurement.quality["rmse"] < 0.2
    assert result.measurement.quality["r2"] > 0.95
    assert set(reports[0].metrics) == {"loss", "mae", "r2", "rmse"}
