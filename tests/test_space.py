import random
from dataclasses import replace

import pytest

from automl import source
from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.config import UserError
from automl.data.sklearn import Sklearn
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.recipe import Sibling
from automl.space import (
    Float,
    Int,
    OneOf,
    Repeat,
    Space,
    TrialConfig,
    explore,
    recording,
    replay,
    sample,
    uniform,
    validate,
)
from automl.training.distill import Distill
from automl.training.loop import Train
from automl.training.optimizers import SGD, AdamW, Nesterov


def space_of(*recipe, model=None, **options):
    return Space(TrialConfig(Sklearn("digits"), model or MLP((16,)), recipe), **options)


def digits():
    return source.load(source.find("digits").read_text())


@pytest.mark.parametrize("seed", range(20))
def test_a_flat_dict_replays_to_the_same_config(seed):
    params = {}
    config = sample(digits(), recording(uniform(random.Random(seed)), params))
    assert sample(digits(), replay(params)) == config


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
        (lambda: Float(0.0, 1.0, log=True), "low must be above zero"),
        (lambda: OneOf(), "no options"),
        (lambda: OneOf(SGD(), SGD(weight_decay=0.5)), "two options named 'SGD'"),
        (
            lambda: validate(space_of(Train(), Train())),
            "two steps of the recipe are labelled 'train'",
        ),
        (lambda: validate(space_of(Train(loss=Distill("nobody")))), "is no step before it"),
        (lambda: validate(space_of(objectives=("acuracy",))), "did you mean 'accuracy'"),
        (lambda: validate(space_of(constraints=("size_bytes=3",))), "cannot read the condition"),
        (
            lambda: validate(space_of(Train(), fixed={"recipe.train.epoch": "3"})),
            "unknown --set path 'recipe.train.epoch'; did you mean 'recipe.train.epochs'",
        ),
        (lambda: validate(space_of(objectives=("accuracy",) * 2)), "named twice"),
        (lambda: validate(space_of(Train(), fixed={"recipe.train.epochs": "x"})), "a like value"),
        (lambda: validate(space_of(Train(), fixed={"seed": "-1"})), "a like value"),
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
