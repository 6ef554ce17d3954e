import importlib
import sys
from dataclasses import dataclass, replace

import pytest
from helpers.own_modules import begin_anew, write

from automl import user_code
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.recipe import Sibling
from automl.space import exploring, space_file
from automl.space.store_keys import needed_keys, prefix_keys
from automl.training.distillation import Distill, Joint
from automl.training.loop import Train

OWN = """
from dataclasses import dataclass

from automl import {base}


@dataclass(frozen=True)
class Own({base}):
    pass
"""
PARTS = {"Sklearn": ("dataset", ("digits",)), "MLP": ("model", ((32,),)), "Train": ("recipe", ())}


def test_configs_that_share_a_prefix_share_its_keys(config):
    longer_tuning = replace(config.recipe[2], epochs=9)
    other = replace(config, recipe=(*config.recipe[:2], longer_tuning, config.recipe[3]))
    mine, theirs = prefix_keys(config), prefix_keys(other)
    assert mine[:2] == theirs[:2]
    assert not set(mine[2:]) & set(theirs[2:])


def test_seed_and_model_are_part_of_the_key(config):
    variants = [config, replace(config, seed=1), replace(config, model=MLP((40,)))]
    assert len({prefix_keys(variant)[0] for variant in variants}) == 3


def test_the_space_files_text_counts_only_where_its_classes_are_used(config):
    @dataclass(frozen=True)
    class Homemade(MLP):
        pass

    Homemade.__module__ = "automl_space_test"
    own = replace(config, model=Homemade((32,)))
    assert prefix_keys(config, "a = 1") == prefix_keys(config, "b = 1")
    assert prefix_keys(own, "a = 1") != prefix_keys(own, "b = 1")


@pytest.mark.parametrize("base", PARTS)
def test_the_text_of_a_users_module_counts_but_for_its_comments(
    base, config, tmp_path, monkeypatch, forgotten
):
    monkeypatch.syspath_prepend(tmp_path)
    field, arguments = PARTS[base]
    keys = []
    for name, more in (("first", ""), ("commented", "# more"), ("changed", "MORE = 1")):
        (tmp_path / f"{base}_{name}.py").write_text(OWN.format(base=base) + more)
        own = importlib.import_module(f"{base}_{name}").Own(*arguments)
        keys.append(prefix_keys(replace(config, **{field: (own,) if base == "Train" else own})))
    assert keys[0] == keys[1]
    assert keys[0][0] != keys[2][0]


OWN_METRIC = """
from {source} import {base}
class Worst({base}):
    def __call__(self, outputs, targets):
        return {figure}
"""


def test_the_text_of_a_metric_counts_since_its_figures_are_stored(config):
    first, second = (OWN_METRIC.format(source="automl", base="Metric", figure=n) for n in (0, 1))
    assert prefix_keys(config, first)[0] != prefix_keys(config, second)[0]
    assert prefix_keys(config, first)[0] != prefix_keys(config)[0]


def test_the_text_of_a_module_counts_where_a_metric_is_taken_from_it(
    config, tmp_path, monkeypatch, forgotten
):
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "own_metrics_of_mine"
    package.mkdir()
    (package / "__init__.py").touch()
    for name in ("zero", "one", "none"):
        base, figure = ("object", 0) if name == "none" else ("Metric", int(name == "one"))
        text = OWN_METRIC.format(source="automl", base="Metric", figure=figure)
        (package / f"{name}.py").write_text(text.replace("(Metric)", f"({base})"))
        importlib.import_module(f"{package.name}.{name}")
    plain = prefix_keys(config)
    for way in ("from {0}.{1} import Worst", "from {0} import {1}", "import {0}.{1}"):
        zero, one, none = (
            prefix_keys(config, way.format(package.name, name)) for name in ("zero", "one", "none")
        )
        assert len({plain[0], zero[0], one[0]}) == 3 and none == plain
    below = OWN_METRIC.format(source=f"{package.name}.one", base="Worst", figure="{0}")
    assert prefix_keys(config, below.format(2))[0] != prefix_keys(config, below.format(3))[0]


def test_what_an_imported_module_holds_is_not_asked_what_it_is(config):
    assert "reduce_op" in vars(importlib.import_module("torch.distributed"))  # it warns when asked
    assert prefix_keys(config, "import torch.distributed") == prefix_keys(config)


STEP = OWN.format(base="Train")
METRIC = OWN_METRIC.format(source="automl", base="Metric", figure="size()")
LAYER = """
from torch import nn
def net():
    return nn.Linear(8, size())
"""
SPACE = """
from automl import MLP, Imported, Sklearn, Space, Train, TrialConfig
{}
space = Space(TrialConfig(Sklearn("digits"), {}, ({}(),)))
"""
USES = {
    "a class of the space": (SPACE.format(STEP + "{}", "MLP((8,))", "Own"), ""),
    "a metric of the space": (SPACE.format(METRIC + "{}", "MLP((8,))", "Train"), ""),
    "a function of the space": (SPACE.format(LAYER + "{}", "Imported(net)", "Train"), ""),
    "a class": (SPACE.format("from own.code import Own", "MLP((8,))", "Own"), STEP),
    "a metric": (SPACE.format("from own.code import Worst", "MLP((8,))", "Train"), METRIC),
    "a function": (SPACE.format("", "Imported('own.code:net')", "Train"), LAYER),
    "nothing": (SPACE.format("{}\nsize()", "MLP((8,))", "Train"), ""),
}
DATASET = OWN.format(base="Sklearn")


@pytest.fixture
def folder(tmp_path, monkeypatch, forgotten):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    begin_anew(tmp_path)


def keys(text):
    (config,) = exploring.explore(space_file.load(text)).configs
    return prefix_keys(config, user_code.fingerprint(text))


@pytest.mark.parametrize("use", USES)
def test_the_code_behind_what_is_used_counts(use, folder):
    space, code = USES[use]
    space = space.format("from own.middle import size")
    code = "from .middle import size\n" + code
    files = {"own/__init__.py": "", "own/code.py": code, "own/last.py": "SIZE = 3"}
    files["own/middle.py"] = "def size():\n    from .last import SIZE\n    return SIZE"
    write(folder, files)
    before, again = keys(space), keys(space)
    write(folder, {"own/last.py": "SIZE = 4"})
    assert before == again
    assert set(before).isdisjoint(keys(space)) == (use != "nothing")


def test_the_code_behind_a_dataset_makes_other_data_of_it(folder):
    write(folder, {"own_data.py": "import behind\n" + DATASET})
    for code in ("from own_data import Own", "import behind" + DATASET):
        text = SPACE.format(code, "MLP((8,))", "Train").replace('Sklearn("digits")', "Own()")
        found = set()
        for edit in ("", "MORE = 1"):
            write(folder, {"behind.py": edit})
            found.add(space_file.load(text).trial.dataset.fingerprint())
        assert len(found) == 2


def test_the_weights_of_a_teacher_count_by_what_they_hold(config, tmp_path):
    file = tmp_path / "weights.safetensors"
    teacher = Imported("math:prod", weights=str(file))
    distilled = Distill(Sibling((Train(),), teacher))
    for loss in (distilled, Joint(model=teacher)):
        keys = []
        for data in (b"one", b"two"):
            file.write_bytes(data)
            recipe = (Train(), Train(label="taught", loss=loss))
            keys.append(prefix_keys(replace(config, recipe=recipe)))
        assert keys[0][0] == keys[1][0]
        assert keys[0][1] != keys[1][1]


def test_needed_keys_are_prefixes_and_teachers(config):
    inner = Sibling((Train(epochs=1),), MLP((99,)))
    outer = Sibling((Train(loss=Distill(inner)), Train(label="more")), MLP((77,)))
    taught = replace(config, recipe=(*config.recipe, Train(label="taught", loss=Distill(outer))))
    teacher = replace(config, model=outer.model, recipe=outer.recipe)
    teachers_own = replace(config, model=inner.model, recipe=inner.recipe)
    expected = [key for c in (taught, teacher, teachers_own) for key in prefix_keys(c)]
    assert needed_keys(taught) == expected
    assert len(set(expected)) == 5 + 2 + 1


def test_a_label_is_the_class_in_snake_case_unless_given(config):
    assert [step.label for step in config.recipe] == ["train", "prune", "fine_tune", "quantize"]
