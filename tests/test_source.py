import pytest

from automl import source
from automl.config import Config, UserError

SPACE = """
from dataclasses import dataclass
from automl.data.sklearn import Sklearn
from automl.models.mlp import MLP
from automl.space import Space, TrialConfig
from automl.training.loop import Train

@dataclass(frozen=True)
class MyMLP(MLP):
    pass

space = Space(TrialConfig(Sklearn("digits"), MyMLP((16,)), (Train(),)))
"""


def test_a_space_and_its_classes_load_from_text():
    space = source.load(SPACE)
    assert type(space.trial.model) is Config.registered["MyMLP"]
    assert source.load(SPACE).trial is space.trial


def test_the_fingerprint_leaves_out_only_the_statement_that_builds_the_space():
    changed = SPACE.replace("(16,)", "(32,)")
    assert source.fingerprint(changed) == source.fingerprint(SPACE)
    assert source.fingerprint(SPACE.replace("pass", "depth = 2")) != source.fingerprint(SPACE)


def test_a_shipped_space_is_found_by_its_name():
    assert source.find("digits").name == "digits.py"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = 1", "mine.py builds 0 Space objects"),
        (SPACE + "\nother = Space(space.trial)", "builds 2 Space objects"),
        ("import nothing_of_that_name", "mine.py, line 1: ModuleNotFoundError"),
        ("a = 1\nb = (", "mine.py, line 2: SyntaxError"),
        ("\n\nraise RuntimeError('no')", "mine.py, line 3: RuntimeError: no"),
        ("from automl.space import Int\nx = Int(3, 1)", "mine.py, line 2: Int.*low is above high"),
    ],
)
def test_a_bad_file_is_one_sentence_with_its_line(text, sentence):
    with pytest.raises(UserError, match=sentence):
        source.load(text, name="mine.py")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("nowhere/space.py", "there is no space file"), ("digit", "did you mean 'digits'")],
)
def test_a_wrong_name_is_told(name, sentence):
    with pytest.raises(UserError, match=sentence):
        source.find(name)
