import random
from dataclasses import dataclass, replace

import pytest

from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.data.sklearn import Sklearn
from automl.errors import UserError
from automl.models.family import ModelFamily
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.recipe import Sibling
from automl.runtimes.onnx import OnnxRuntime
from automl.space import space_file
from automl.space.domains import Float, Int, OneOf, Repeat
from automl.space.exploring import explore, validate
from automl.space.sampling import replay, sample, trace, uniform
from automl.space.space import Space, TrialConfig
from automl.training.distillation import Distill
from automl.training.loop import Train
from automl.training.losses import CrossEntropy
from automl.training.optimizers import SGD, AdamW, Nesterov
from automl.training.schedules import Exponential, Fixed, Warmup


def space_of(*recipe, model=None, **options):
    return Space(TrialConfig(Sklearn("digits"), model or MLP((16,)), recipe), **options)


def digits():
    return space_file.load(space_file.find("digits").read_text())


@pytest.mark.parametrize("seed", range(20))
def test_a_flat_dict_replays_to_the_same_config(seed):
    made = trace(digits(), uniform(random.Random(seed)))
    assert sample(digits(), replay(made.params)) == made.config


def test_a_teachers_weights_are_looked_for_where_the_search_began(tmp_path):
    (tmp_path / "big.safetensors").touch()
    teacher = Imported("math:prod", weights="big.safetensors")
    space = space_of(
        Train(loss=Distill(Sibling((Train(),), teacher))), folders=("elsewhere", str(tmp_path))
    )
    (config,) = explore(space).configs
    assert config.recipe[0].loss.teacher.model.weights == str(tmp_path / "big.safetensors")


def test_paths_name_fields_labels_and_the_options_chosen():
    space = space_of(
        Train(optimizer=OneOf(AdamW(weight_decay=Float(0.01, 0.1)), SGD())),
        OneOf(
            None, (Prune(fraction=Float(0.1, 0.5)), Train(label="after_prune", epochs=Int(1, 3)))
        ),
        model=OneOf(MLP(widths=Repeat(Int(8, 64, step=8), Int(1, 2)))),
    )
    assert set(explore(space).domains) == {
        "recipe.train.optimizer",
        "recipe.train.optimizer.AdamW.weight_decay",
        "recipe.prune-after_prune",
        "recipe.prune.fraction",
        "recipe.after_prune.epochs",
        "model",
        "model.MLP.widths.length",
        "model.MLP.widths.0",
        "model.MLP.widths.1",
    }


def test_orders_share_the_paths_of_their_steps():
    prune, quantize = Prune(fraction=Float(0.1, 0.5)), Quantize()
    space = space_of(Train(), OneOf((prune, quantize), (quantize, prune), label="order"))
    explored = explore(space)
    assert set(explored.domains) == {"recipe.order", "recipe.prune.fraction"}
    orders = {tuple(step.label for step in config.recipe) for config in explored.configs}
    assert orders == {("train", "prune", "quantize"), ("train", "quantize", "prune")}


def test_random_suggestions_stay_in_their_domains():
    space = space_of(Train(epochs=Int(2, 9, step=3)), Prune(fraction=Float(0.1, 0.5, log=True)))
    configs = [sample(space, uniform(random.Random(i))) for i in range(100)]
    assert {config.recipe[0].epochs for config in configs} == {2, 5, 8}
    assert all(0.1 <= config.recipe[1].fraction <= 0.5 for config in configs)


def test_a_fixed_path_replaces_a_domain_or_a_constant():
    fixed = {
        "recipe.train.optimizer": "Nesterov",
        "recipe.train.epochs": "3",
        "recipe.quantize": "None",
        "model": "MLP",
    }
    space = replace(digits(), fixed=fixed)
    explored = validate(space)
    assert not set(fixed) & set(explored.domains)
    for config in explored.configs:
        assert isinstance(config.recipe[0].optimizer, Nesterov)
        assert config.recipe[0].epochs == 3
        assert "quantize" not in [step.label for step in config.recipe]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Int(8, 4), "low is above high"),
        (lambda: Int(2, 10, step=0), r"Int\(2, 10, step=0\): step is below 1"),
        (lambda: Int(2, 10, step=-2), r"Int\(2, 10, step=-2\): step is below 1"),
        (lambda: Float(0.0, 1.0, log=True), "low must be above zero"),
        (lambda: OneOf(), "no options"),
        (lambda: OneOf(SGD(), SGD(weight_decay=0.5)), "two options named 'SGD'"),
        (
            lambda: validate(space_of(Train(), Train())),
            "two steps of the recipe are labelled 'train'",
        ),
        (lambda: validate(space_of(Train(loss=Distill("nobody")))), "is no step before it"),
        (lambda: validate(space_of(objectives=("acuracy",))), "did you mean 'accuracy'"),
        (
            lambda: validate(space_of(constraints=("size_bytes=3",))),
            "at character 11 '=3' stands in place of <=, >=, <, > or within",
        ),
        (
            lambda: validate(space_of(Train(), fixed={"recipe.train.epoch": "3"})),
            "unknown --set path 'recipe.train.epoch'; did you mean 'recipe.train.epochs'",
        ),
        (lambda: validate(space_of(objectives=("accuracy",) * 2)), "named twice"),
        (lambda: validate(space_of(objectives="accuracy")), "needs a comma behind it"),
        (lambda: validate(space_of(constraints="macs<=9")), "constraints is macs<=9, not a tuple"),
        (lambda: validate(space_of(runtimes=OnnxRuntime())), "runtimes is OnnxRuntime.* a comma"),
        (
            lambda: validate(Space(TrialConfig(Sklearn("digits"), MLP((16,)), Train()))),
            r"recipe is step 'train', not a tuple; a single item needs a comma .*: \(Train\(\),\)",
        ),
        (
            lambda: validate(
                Space(TrialConfig(Sklearn("digits"), MLP((16,)), OneOf(None, Train())))
            ),
            "recipe is OneOf.*, not a tuple",
        ),
        (lambda: validate(space_of(Train(), fixed={"recipe.train.epochs": "x"})), "a like value"),
        (lambda: validate(space_of(Train(), fixed={"seed": "-1"})), "the seed is -1; give one"),
        (lambda: validate(space_of(Train(), fixed={"seed": "1" + 23 * "0"})), "give one from 0 to"),
        (lambda: validate(space_of(Fixed(1))), "the recipe holds Fixed.*, which is no step"),
        (lambda: validate(space_of(OneOf(None, SGD()))), "the recipe holds SGD.*, which is no"),
        (lambda: validate(space_of(Train(batch_size=64))), r"batch_size is 64; .* \(Fixed, "),
        (lambda: validate(space_of(Train(learning_rate=0.01))), "a Schedule .* or None"),
        (lambda: validate(space_of(Train("adam"))), "Train.optimizer is 'adam'; .* an Optimizer"),
        (lambda: validate(space_of(model=SGD())), r"TrialConfig\.model is SGD.* a ModelFamily"),
        (lambda: validate(space_of(model=MLP(Repeat(8, 2.5)))), "length is 2.5, not an integer"),
        (lambda: validate(space_of(Train(epochs=Int(0, 3)))), "epochs of step 'train' is 0"),
        (
            lambda: validate(space_of(Train(mixup=Float(-1, 1)))),
            "step 'train': mixup must be at least 0, not -1",
        ),
        (
            lambda: validate(space_of(Train(learning_rate=Warmup(Exponential(1, Float(-1, 1)))))),
            r"Exponential\(.*: factor must be above 0",
        ),
        (
            lambda: validate(space_of(Train(), Train(label="b", loss=Distill(weight=Float(0, 2))))),
            "weight must be from 0 to 1",
        ),
        (
            lambda: validate(space_of(OneOf(None, Train(epochs="3")))),
            "Train.epochs is '3'; it must be an integer",
        ),
        (
            lambda: validate(Space(TrialConfig("digits", MLP((16,)), ()))),
            r"TrialConfig\.dataset is 'digits'; it must be a Dataset",
        ),
        (
            lambda: validate(
                space_of(Train(), fixed={"recipe.train.loss": '{"type": "SGD", "x": 1}'})
            ),
            "SGD: .*unexpected keyword",
        ),
        (
            lambda: validate(replace(digits(), fixed={"model": "MPL"})),
            "unknown option of model 'MPL'; did you mean 'MLP'",
        ),
        (
            lambda: validate(
                space_of(OneOf(Train(epochs=Int(1, 2)), (Train(epochs=Int(1, 3)), Quantize())))
            ),
            "recipe.train.epochs has two different domains",
        ),
    ],
)
def test_a_users_mistake_is_one_sentence(make, sentence):
    with pytest.raises(UserError, match=sentence):
        make()


@pytest.mark.parametrize(
    ("path", "text", "sentence"),
    [
        ("dataset", '{"type": "AdamW"}', "give another Dataset"),
        ("dataset", '{"type": "Sklearn"', r"that is no JSON \(.*close all brackets, and put names"),
        ("dataset", "{'type': 'Sklearn'}", r"that is no JSON \(.*into double quotes"),
        ("dataset", '{"type": "Dataset"}', "no class named 'Dataset'"),
        ("dataset", '{"type": "Table", "path": 5, "target": "y"}', "Table.path is 5"),
        ("dataset", '{"type": "Table", "path": null, "target": "y"}', "Table.path is None"),
        ("dataset", '{"type": "Table", "path": "", "target": "y"}', "Table.path is empty"),
        ("dataset", '{"type": "ImageFolder", "path": "a", "size": 8}', "ImageFolder.size is 8"),
        ("dataset", '{"type": "Npz", "path": "a", "shape": 5}', "Npz.shape is 5; .* a tuple"),
        ("dataset", '{"type": "Text", "path": "a", "length": "5"}', "Text.length is '5'"),
        ("recipe.train.loss", "CrosEntropy", "Train.loss is 'CrosEntropy'; .* a Loss"),
        ("recipe.train.loss", "SGD", r"Train.loss is SGD\(.*; it must be a Loss"),
        ("recipe.train.optimizer", "Fixed", "missing 1 required positional argument: 'value'"),
        ("recipe.train.optimizer", "Flip", "give another Optimizer"),
        ("recipe.train.augmentations", '["Shift"]', "each item an Augmentation"),
        ("recipe.train.epochs", "true", "Train.epochs is True; it must be an integer"),
        ("seed", "9" * 5000, "a like value"),
    ],
)
def test_a_set_of_the_wrong_kind_or_type_is_one_sentence(path, text, sentence):
    for folders in ((), ("/",)):
        with pytest.raises(UserError, match=sentence):
            validate(space_of(Train(), fixed={path: text}, folders=folders))


def test_a_bare_class_name_is_that_class_with_its_defaults():
    fixed = {"recipe.train.loss": "CrossEntropy", "recipe.train.optimizer": "SGD", "model": "MLP"}
    (config,) = validate(space_of(Train(), fixed=fixed)).configs
    assert (config.recipe[0].loss, config.recipe[0].optimizer) == (CrossEntropy(), SGD())
    assert config.model == MLP()


@dataclass(frozen=True)
class Searched(ModelFamily):
    """A family whose defaults are domains."""

    width: int = Int(8, 64)
    act: str = OneOf("relu", "gelu")


@pytest.mark.parametrize("word", ["relu", '"relu"'])
def test_a_text_among_options_is_set_with_its_quotes_or_without(word):
    model = MLP((16,), activation=OneOf("gelu", "relu"))
    (config,) = validate(space_of(model=model, fixed={"model.activation": word})).configs
    assert config.model.activation == "relu"


def test_domains_that_are_defaults_are_searched_where_a_set_puts_them():
    for text in ("Searched", '{"type": "Searched", "act": "relu"}'):
        found = validate(space_of(Train(), fixed={"model": text, "recipe.train.epochs": "3"}))
        assert found.domains["model.width"] == Int(8, 64)
    (config,) = validate(space_of(fixed={"model": "Searched", "model.act": '"gelu"'})).configs
    assert config.model == Searched(64, "gelu")


def test_a_list_is_a_tuple_whose_items_may_be_domains():
    space = Space(TrialConfig(Sklearn("digits"), MLP([Int(8, 16), 4]), [Train()]))
    (config,) = validate(space).configs
    assert (config.model, config.recipe) == (MLP((16, 4)), (Train(),))


def test_classes_of_a_space_file_are_checked_by_their_annotations():
    text = """
from __future__ import annotations
from dataclasses import dataclass
from typing import TYPE_CHECKING
from automl import Sklearn
from automl import MLP
from automl import Step
from automl import Space, TrialConfig
if TYPE_CHECKING:
    from automl import Optimizer
    from nowhere import Unknown

@dataclass(frozen=True)
class Odd(Step):
    mystery: Unknown = 3

@dataclass(frozen=True)
class Polish(Step):
    rounds: int = 1
    optimizer: Optimizer | None = None

space = Space(TrialConfig(Sklearn("digits"), MLP((16,)), (Polish(),)))
"""
    odd = text.replace("(Polish(),)", "(Polish(), Odd())")
    with pytest.raises(UserError, match="the annotation mystery: Unknown of class Odd cannot be"):
        validate(space_file.load(odd))
    space = space_file.load(text)
    validate(space)
    with pytest.raises(UserError, match=r"Polish\.optimizer is Flip\(\); it must be an Optimizer"):
        validate(replace(space, fixed={"recipe.polish.optimizer": "Flip"}))
    polish = replace(space.trial.recipe[0], rounds=1.5)
    trial = replace(space.trial, recipe=(polish,))
    with pytest.raises(UserError, match=r"Polish\.rounds is 1\.5; it must be an integer"):
        validate(replace(space, trial=trial))


def test_the_tail_is_what_changes_behind_the_training():
    prune = (Prune(Float(0.1, 0.9)), Train(label="after", epochs=Int(1, 9)))
    recipe = (Train(epochs=Int(1, 9)), OneOf(None, prune, label="cut"), OneOf(None, Quantize()))
    space = Space(TrialConfig(Sklearn("digits"), MLP((Int(1, 9),)), recipe))
    whole = {
        "recipe.train.epochs": 5,
        "recipe.cut": "prune-after",
        "recipe.prune.fraction": 0.5,
        "recipe.after.epochs": 3,
        "recipe.quantize": "Quantize",
        "model.widths.0": 7,
    }
    kept = {"recipe.train.epochs", "model.widths.0"}
    assert trace(space, replay(whole)).tail == whole.keys() - kept
    uncut = {name: whole[name] for name in kept} | {"recipe.cut": "None", "recipe.quantize": "None"}
    assert trace(space, replay(uncut)).tail == {"recipe.cut", "recipe.quantize"}
