import json
import random

import pytest

from automl.compression.prune import Prune
from automl.compression.quantize import Quantize
from automl.data.sklearn import Sklearn
from automl.errors import UserError
from automl.models.convnet import ConvNet
from automl.models.mlp import MLP
from automl.space import space_file
from automl.space.domains import Float, Int, OneOf, Repeat
from automl.space.initial_points import check, given, read
from automl.space.sampling import replay, sample, trace, uniform
from automl.space.space import Space, TrialConfig
from automl.training.loop import Train

SPACE = Space(
    TrialConfig(
        Sklearn("digits"),
        OneOf(
            MLP(widths=Repeat(Int(8, 64, step=8), Int(1, 3))),
            ConvNet(channels=Repeat(Int(8, 64, step=8), Int(1, 3))),
        ),
        (
            Train(epochs=Int(1, 9)),
            OneOf(None, Prune(Float(0.2, 0.8))),
            OneOf(None, Quantize(OneOf(8, 4, 2))),
        ),
    ),
    fixed={"recipe.train.epochs": "3"},
)


def test_a_part_of_a_point_is_enough_and_the_rest_is_drawn():
    wanted = {"recipe.prune": "Prune", "recipe.prune.fraction": 0.5, "recipe.quantize": None}
    (point,) = check([wanted], SPACE)
    assert point == {**wanted, "recipe.quantize": "None"}
    drawn = []
    for seed in range(20):
        made = trace(SPACE, given(point, uniform(random.Random(seed))))
        assert [step.label for step in made.config.recipe] == ["train", "prune"]
        assert made.config.recipe[1].fraction == 0.5
        drawn.append(made.params["model"])
    assert set(drawn) == {"MLP", "ConvNet"}


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_space_suggests_is_a_point_of_it(seed):
    space = space_file.load(space_file.find("digits").read_text())
    params = trace(space, uniform(random.Random(seed))).params
    assert check([params], space) == [params]


def test_values_are_written_as_json_or_as_the_options_names(tmp_path):
    file = tmp_path / "points.json"
    file.write_text(
        '[{"recipe.quantize": "Quantize", "recipe.quantize.bits": 4}, {},'
        ' {"recipe.quantize": "Quantize", "recipe.quantize.bits": "4"},'
        ' {"recipe.prune": "Prune", "recipe.prune.fraction": 0.25}]'
    )
    first, empty, second, third = read(file, SPACE)
    assert first == second == {"recipe.quantize": "Quantize", "recipe.quantize.bits": "4"}
    assert empty == {}
    chosen = {"model": "MLP", "model.MLP.widths.length": 1, "model.MLP.widths.0": 8}
    params = {**third, **chosen, "recipe.quantize": "None"}
    assert sample(SPACE, replay(params)).recipe[1].fraction == 0.25


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[{", "points.json is not JSON: .* line 1"),
        ("{}", "points are a list of {path: value} objects, at least one"),
        ("[]", "at least one"),
        ("[{}, 3]", "point 2 is 3; write an object of paths and values"),
        ('[{"modle": "MLP"}]', "point 1: unknown path 'modle'; did you mean 'model'"),
        ('[{"model": "MPL"}]', r"point 1: model cannot be 'MPL'; it may be MLP \| ConvNet"),
        ('[{"model": {"type": "MLP"}}]', "model cannot be {'type': 'MLP'}; it may be"),
        ('[{"recipe.train.epochs": 2}]', "recipe.train.epochs is fixed by --set; leave it out"),
        (
            '[{"model": "MLP", "model.MLP.widths.length": 1, "model.MLP.widths.0": 9}]',
            "point 1: model.MLP.widths.0 cannot be 9; it may be 8 to 64 by 8",
        ),
        ('[{"recipe.prune": "Prune", "recipe.prune.fraction": NaN}]', "fraction cannot be nan"),
        ('[{"recipe.prune": "Prune", "recipe.prune.fraction": "0.5"}]', "cannot be '0.5'; it may"),
        ('[{"recipe.prune.fraction": 0.5}]', "recipe.prune.fraction is met only after other"),
        ('[{"model": "MLP", "model.ConvNet.channels.0": 8}]', "is met only after other choices"),
        ('[{"model": "MLP", "model.MLP.widths.1": 8}]', "model.MLP.widths.1 is met only after"),
    ],
)
def test_a_point_that_is_none_of_the_space_is_told(text, sentence, tmp_path):
    file = tmp_path / "points.json"
    file.write_text(text)
    with pytest.raises(UserError, match=sentence) as told:
        read(file, SPACE)
    assert "\n" not in str(told.value)


def test_a_list_from_python_is_checked_alike():
    assert check(({"model": "MLP"},), SPACE) == [{"model": "MLP"}]
    with pytest.raises(UserError, match="point 1: unknown path"):
        check([{3: "MLP"}], SPACE)
    assert json.dumps(check([{"model": "MLP"}], SPACE))
