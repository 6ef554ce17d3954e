"""What cannot be is one sentence: from `automl check` where it can be known, else of the trial."""

import math
import sys
from dataclasses import fields, replace
from typing import get_type_hints

import pytest
from helpers.registered import KINDS, examples
from helpers.trials import drive, finish
from torch import nn

from automl.cli.app import main
from automl.compression.binarize import Binarize
from automl.compression.clip import Clip
from automl.compression.factorize import Factorize
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.compression.remove_layers import RemoveLayers
from automl.data.linear_map import LinearMap
from automl.data.sklearn import Sklearn
from automl.data.text import Text
from automl.errors import Rejected, UserError
from automl.models.convnet import ConvNet
from automl.models.imported import Imported
from automl.models.linear import Linear
from automl.models.mlp import MLP
from automl.models.transformer import Transformer, TransformerLayer
from automl.recipe import Sibling, Step
from automl.space.domains import Float, Int, OneOf, Repeat
from automl.space.exploring import validate
from automl.space.sampling import replay, sample
from automl.space.space import Space, TrialConfig
from automl.training.augmentation import Augmentation, Flip, RandomErasing, Shift
from automl.training.averaging import Average
from automl.training.distillation import Distill, Joint, Mutual
from automl.training.loop import Train
from automl.training.losses import Loss, MeanSquaredError
from automl.training.optimizers import SGD, Adam, Muon, Nesterov, Optimizer, RMSprop
from automl.training.parallel import DataParallel
from automl.training.schedules import Schedule
from automl.trial.reference_model import largest

DIGITS, SERIES = Sklearn("digits"), Sklearn("digits", (8, 8))


def space_of(*recipe, dataset=DIGITS, model=MLP()):  # noqa: B008
    return Space(TrialConfig(dataset, model, recipe))


def training(**options):
    return space_of(Train(**options))


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (training(optimizer=SGD(weight_decay=-0.1)), "SGD.*: weight_decay must be at least 0"),
        (training(optimizer=Nesterov(momentum=0.0)), "momentum must be above 0 and below 1"),
        (training(optimizer=Muon(momentum=Float(0.9, 1.1))), "below 1, not 1.1"),
        (training(optimizer=Adam(beta1=1.0)), "beta1 must be at least 0 and below 1, not 1.0"),
        (training(optimizer=Adam(beta2=-0.5)), "beta2 must be at least 0 and below 1"),
        (training(optimizer=RMSprop(alpha=Float(-0.5, 0.9))), "alpha must be at least 0"),
        (training(augmentations=(Shift(-1),)), "pixels must be at least 0, not -1"),
        (training(augmentations=(RandomErasing(1.5),)), "share must be above 0 and at most 1"),
        (training(parallelism=DataParallel(0)), "num_workers must be at least 1"),
        (space_of(dataset=LinearMap(noise=-1.0)), "noise must be at least 0"),
        (space_of(dataset=LinearMap(seed=-1)), "seed must be at least 0"),
        (space_of(dataset=Sklearn("digits", (-8, -8))), "shape must be at least 1, not -8"),
        (space_of(dataset=Text("a.csv", length=Int(0, 64))), "length must be at least 1, not 0"),
        (space_of(model=MLP(Repeat(Int(0, 16), 2))), "widths must be at least 1, not 0"),
        (space_of(model=ConvNet((8,), kernel_size=-1)), "kernel_size must be at least 1, not -1"),
        (space_of(model=Transformer((TransformerLayer(0),))), "heads must be at least 1, not 0"),
        (space_of(Prune(Float(0.2, 1.5))), "fraction 1.5 .*is not between 0 and 1"),
        (space_of(Prune(Float(0.0, 0.5))), "fraction 0.0 .*is not between 0 and 1"),
        (space_of(Clip(Float(0.5, 1.0))), "step 'clip': fraction must be .*below 1, not 1.0"),
        (space_of(Clip(threshold=-0.1)), "step 'clip': threshold must be at least 0"),
        (space_of(Factorize(energy=Float(0.0, 0.9))), "energy 0.0, .* is not between 0 and 1"),
        (space_of(Factorize(rank=-1)), "rank -1 is below 1"),
        (space_of(RemoveLayers(Int(0, 2))), "step 'remove_layers': count must be at least 1"),
        (space_of(RemoveLayers(fraction=1.5)), "fraction must be above 0 and at most 1"),
        (space_of(Quantize(average_bits=Float(0.5, 4))), "average_bits=0.5 is not 1 to 8"),
    ],
)
def test_a_number_out_of_its_range_is_told(space, sentence):
    with pytest.raises(UserError, match=sentence):
        validate(space)


@pytest.mark.parametrize("value", [p for kind in KINDS for p in examples(kind)])
def test_no_number_may_be_nan(value):
    validate(_around(value))
    hints = get_type_hints(type(value))
    for name in [f.name for f in fields(value) if hints[f.name] in (float, float | None)]:
        with pytest.raises(UserError):
            validate(_around(replace(value, **{name: math.nan})))


@pytest.mark.parametrize("first", [Factorize(), Binarize(), Quantize()])
@pytest.mark.parametrize("second", [Prune(0.5), RemoveLayers()])
def test_a_cut_after_what_replaces_layers_is_refused_and_not_tried(first, second, store):
    sentence = f"{second} cannot cut the layers that {first} makes; put it before"
    recipe = (Train(), Clip(), first, second)
    with pytest.raises(UserError, match=sentence):
        validate(space_of(*recipe))
    validate(space_of(Train(), second, Clip(), first))
    reports, result = drive(TrialConfig(DIGITS, MLP(), recipe), store)
    assert (reports, result.status, result.reason) == ([], "rejected", sentence)


def test_what_the_check_did_not_meet_is_a_rejected_trial(store):
    """It tries no two of these options together."""
    space = space_of(
        Train(), OneOf(None, Factorize(), label="first"), OneOf(None, Prune(0.5), label="second")
    )
    validate(space)
    chosen = {"recipe.first": "Factorize", "recipe.second": "Prune"}
    _, result = drive(sample(space, replay(chosen)), store)
    assert result.status == "rejected"
    assert "cannot cut" in result.reason


def seven():
    """A module of the user's own that tells seven classes."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 7))


def one():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Int(8, 64, likely=65), r"Int\(8, 64, step=1\): likely is 65, which it cannot be"),
        (lambda: Int(8, 60, step=8, likely=60), r"Int\(8, 56, step=8\): likely is 60"),
        (lambda: Int(1, 3, likely=2.0), r"likely is 2.0, which it cannot be; give one of its"),
        (lambda: Int(0, 1, likely=True), "likely is True"),
        (lambda: Float(0.1, 0.5, likely=0.6), r"Float\(0.1, 0.5\): likely is 0.6"),
        (lambda: Float(0.1, 0.5, likely=math.nan), "likely is nan"),
        (lambda: Float(0.1, 0.5, likely="0.2"), "likely is '0.2'"),
        (lambda: OneOf(8, 4, likely=16), "unknown likely option '16'; known: 8, 4"),
        (lambda: OneOf(SGD(), Adam(), likely="Adm"), "did you mean 'Adam'"),
        (
            lambda: validate(
                space_of(
                    OneOf(Train(epochs=Int(1, 9, likely=2)), (Train(epochs=Int(1, 9)), Quantize()))
                )
            ),
            "recipe.train.epochs has two different domains",
        ),
    ],
)
def test_a_likely_value_that_cannot_be_is_told(make, sentence):
    with pytest.raises(UserError, match=sentence):
        make()


SPACE_FILE = """
from automl import Prune
from automl import Sklearn
from automl import MLP
from automl import Float, Space, TrialConfig

space = Space(TrialConfig(Sklearn("digits"), MLP(), (Prune(Float(0.2, 1.5)),)))
"""
SHORT, OTHER = Train(epochs=1), Imported(seven)
MORE = Train(label="more", epochs=1)


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (space_of(Quantize(7)), "bits=7; choose one of 8, 6, 5, 4, 3, 2, 1.58 and 1"),
        (space_of(Quantize(activation_bits=16)), "=16; choose one of 8, 6, 5, 4, 3, 2 and 1"),
        (
            space_of(Quantize(ends_bits=Int(6, 7))),
            "ends_bits=7; choose one of 8, 6, 5, 4, 3, 2, 1.58 and 1",
        ),
        (space_of(Prune(1.0)), "step 'prune': fraction 1.0 is not between 0 and 1"),
        (space_of(Factorize(rank=8, share=0.5)), "are both given; give one"),
        (training(loss=Distill("nobody")), "step 'train' distils from 'nobody', which is no step"),
        (training(loss=Distill(Sibling((SHORT,), OTHER))), r"gives \(7,\) for a row and the data"),
        (training(loss=Joint(model=OTHER)), r"data asks for \(10,\); choose a teacher of as many"),
        (training(loss=MeanSquaredError()), "needs numbers; for classes use CrossEntropy"),
        (space_of(Train(augmentations=(Flip(),)), dataset=SERIES), "Flip, which does not suit"),
        (
            space_of(Train(), RemoveLayers(Int(1, 3)), model=Linear()),
            "step 'remove_layers': this Linear has no block that can go",
        ),
        (space_of(Train(), RemoveLayers(), model=Imported(one)), "of its modules that are called"),
        (space_of(Train(), model=OTHER), r"gives \(2, 7\) .*; the data asks for \(2, 10\)"),
    ],
)
def test_what_the_check_can_know_it_tells(space, sentence, tmp_path):
    with pytest.raises(UserError, match=sentence):
        largest(space, validate(space), tmp_path)


@pytest.mark.parametrize(
    "space",
    [
        space_of(Train(), RemoveLayers(), model=OneOf(Linear(), MLP((8, 8)))),
        space_of(Train(), RemoveLayers(Int(1, 9)), model=MLP((8, 8))),
    ],
)
def test_a_step_that_works_on_some_of_the_models_is_let_be(space, tmp_path):
    largest(space, validate(space), tmp_path)


def test_the_command_tells_it_with_exit_code_2(tmp_path, monkeypatch, capsys):
    file = tmp_path / "wide.py"
    file.write_text(SPACE_FILE)
    monkeypatch.setattr(sys, "argv", ["automl", "check", str(file), "--home", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "error: step 'prune': fraction 1.5 is not between 0 and 1\n"


@pytest.mark.parametrize(
    ("model", "steps", "sentence"),
    [
        (MLP(), [Factorize(rank=65)], "rank 65 is above 64, the largest of layer 'block0.linear'"),
        (MLP((8,)), [Factorize(energy=1.0)], "would hold as many numbers or more at this rank"),
        (Linear(), [Prune(0.5)], "this Linear has no width that can be cut"),
        (ConvNet(normalisation="group"), [Prune(0.5)], "this ConvNet has no width that can be cut"),
        (MLP((8,)), [Prune(0.5)], "removed nothing"),
        (Imported(one), [Prune(0.5)], "this Imported has no width that can be cut"),
        (Linear(), [RemoveLayers()], "this Linear has no block that can go"),
        (Imported(one), [RemoveLayers()], "this Imported has no block that can go"),
        (MLP((16, 16)), [RemoveLayers(2)], "only 1 blocks of this MLP can go, not 2"),
        (MLP(), [Clip(threshold=9.0)], "would be left without a number"),
        (MLP(), [Quantize(), Prune(0.5)], "'block0.linear' is quantized already; put Prune before"),
        (MLP(), [Factorize(share=0.1), Prune(0.5)], "'block0.linear' is factored already; put"),
        (MLP(), [Binarize(epochs=1), Prune(0.5)], "'block0.linear' is binarized already; put"),
        (MLP((8, 8)), [Quantize(), RemoveLayers()], "is quantized already; put RemoveLayers"),
        (MLP(), [Quantize(), Clip()], "the model has no layer left with weights"),
        (MLP(), [Quantize(), Factorize()], "the model has no layer left with weights"),
        (MLP(), [Quantize(), Binarize(epochs=1)], "the model has no layer left with weights"),
        (MLP(), [Binarize(epochs=1), Quantize()], "the model has no layer left with weights"),
        (MLP(), [Quantize(), MORE], "step 'more': nothing of the model is left to train"),
        (
            MLP(),
            [Quantize(), replace(MORE, loss=Mutual())],
            "nothing of the model is left to train",
        ),
    ],
)
def test_what_shows_on_the_model_is_one_sentence_of_the_trial(
    model, steps, sentence, build, context
):
    network = build(model)
    for step in steps[:-1]:
        network = finish(step.run(network, context))
        context.checkpoints.clear()
    with pytest.raises(Rejected, match=sentence) as caught:
        finish(steps[-1].run(network, context))
    assert "\n" not in str(caught.value)


def _around(value):
    """A space with a value of any kind where one of that kind stands."""
    match value:
        case Optimizer():
            return training(optimizer=value)
        case Schedule():
            return training(learning_rate=value)
        case Augmentation():
            return training(augmentations=(value,))
        case Average():
            return training(average=value)
        case Loss():
            return space_of(Train(), Train(label="taught", loss=value))
        case Step():
            return space_of(Train(label="first"), value)
    return space_of(model=value)
