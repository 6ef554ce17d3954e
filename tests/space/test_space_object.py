"""A Space object, kept as its exact JSON: what comes back is what was given, or a sentence."""

import importlib
import subprocess
import sys
from dataclasses import replace

import pytest

from automl.config import Config
from automl.data.sklearn import Sklearn
from automl.engine import space_source
from automl.engine.wishes import OwnData
from automl.errors import UserError
from automl.home import Home
from automl.models.imported import Imported
from automl.models.mlp import MLP
from automl.space import space_file
from automl.space.domains import Float, Int, OneOf, Repeat
from automl.space.space import Space, TrialConfig
from automl.space.space_object import as_text
from automl.training.loop import Train

OWN = """
from dataclasses import dataclass
from torch import nn
from automl import MLP, Metric, Optimizer

@dataclass(frozen=True)
class Wider(MLP):
    factor: float = 0.1

class ShareRight(Metric):
    def __call__(self, outputs, targets):
        return float((outputs.argmax(1) == targets).mean())

def net():
    return nn.Linear(64, 10)
"""
USE = """
import sys
sys.path.insert(0, {folder!r})
from own_of_test import Wider, net
from automl import Imported, OneOf, Sklearn, Space, Train, TrialConfig
from automl.space.space_object import as_text
model = OneOf(Wider((8,)), Imported(net))
space = Space(TrialConfig(Sklearn("digits"), model, (Train(),)), ("share_right",))
print(as_text(space))
"""


@pytest.mark.parametrize("name", [n for n in sorted(space_file.shipped()) if n != "my_model"])
def test_each_shipped_space_comes_back_as_it_was(name):
    space = space_file.load(space_file.read(space_file.find(name)))
    found = space_file.load(as_text(space))
    assert replace(found, folders=()) == replace(space, folders=())


def test_numbers_and_texts_are_exact():
    model = MLP(Repeat(Int(8, 64, step=8, likely=16), Int(1, 3)), activation=OneOf("relu", "silu"))
    train = Train(learning_rate=None, mixup=Float(0.1, 0.30000000000000004))
    space = Space(TrialConfig(Sklearn("digits", (8, 8)), model, (OneOf(None, train),), seed=7))
    assert space_file.load(as_text(space)).trial == space.trial


@pytest.mark.slow
def test_classes_and_functions_of_a_module_are_imported_wherever_it_runs(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own_of_test.py").write_text(OWN)
    code = USE.format(folder=str(tmp_path / "own"))
    written = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert written.returncode == 0, written.stderr
    (tmp_path / "text.py").write_text(written.stdout)
    load = "import sys; from automl.space import space_file as s; s.load(open(sys.argv[1]).read())"
    done = subprocess.run([sys.executable, "-c", load, tmp_path / "text.py"], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_metric_that_only_the_goal_names_is_imported_wherever_it_runs(
    forgotten, tmp_path, monkeypatch
):
    (tmp_path / "goal_of_test.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("goal_of_test")
    space = Space(TrialConfig(Sklearn("digits"), MLP((8,)), (Train(),)))

    def text(until):
        return space_source.source(space, OwnData(), Home(tmp_path), until).text

    assert "import goal_of_test" in text("share_right >= 0.9 and size_bytes <= 9000")
    assert text("accuracy >= 0.9") == text(None) == as_text(space)


def test_what_no_other_process_can_import_is_one_sentence():
    def of(model):
        return Space(TrialConfig(Sklearn("digits"), model, (Train(),)))

    class Own(MLP):
        __module__ = "__main__"

    try:
        for model, name in ((Own((8,)), "Own"), (Imported("__main__:net"), "net")):
            with pytest.raises(UserError, match=f"{name} is defined in this notebook or script"):
                as_text(of(model))
    finally:
        Config.registered.pop("Own")
    with pytest.raises(UserError, match="give it a function at the top level"):
        of(Imported(lambda: None))
    with pytest.raises(UserError, match="cannot be written as JSON"):
        as_text(of(MLP((8,), activation={"relu"})))
