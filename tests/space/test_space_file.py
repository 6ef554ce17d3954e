import pytest
from helpers.own_metric import LESS, MORE

from automl import user_code
from automl.config import Config
from automl.errors import UserError
from automl.pareto import DIRECTIONS
from automl.quality import METRICS
from automl.space import space_file

SPACE = """
from dataclasses import dataclass
from automl import Sklearn
from automl import MLP
from automl import Space, TrialConfig
from automl import Train

@dataclass(frozen=True)
class MyMLP(MLP):
    pass

space = Space(TrialConfig(Sklearn("digits"), MyMLP((16,)), (Train(),)))
"""


def test_a_space_and_its_classes_load_from_text():
    space = space_file.load(SPACE)
    assert type(space.trial.model) is Config.registered["MyMLP"]
    assert space_file.load(SPACE).trial is space.trial


def test_the_classes_of_the_space_that_was_loaded_last_are_found_by_their_names(forgotten):
    for text in (LESS, MORE, LESS):
        space_file.load(text)
        assert DIRECTIONS["cost"] == ("min" if text is LESS else "max")
        assert Config.registered["Cost"] is type(METRICS["cost"])


def test_the_fingerprint_leaves_out_only_the_statement_that_builds_the_space():
    changed = SPACE.replace("(16,)", "(32,)")
    assert user_code.fingerprint(changed) == user_code.fingerprint(SPACE)
    assert user_code.fingerprint(SPACE.replace("pass", "depth = 2")) != user_code.fingerprint(SPACE)


def test_a_byte_order_mark_makes_no_difference(tmp_path):
    marked = "\ufeff" + SPACE
    (tmp_path / "mine.py").write_text(marked, encoding="utf-8")
    assert space_file.read(tmp_path / "mine.py") == SPACE
    assert space_file.load(marked).trial is space_file.load(SPACE).trial
    assert user_code.fingerprint(marked) == user_code.fingerprint(SPACE)
    assert user_code.defines_below(marked, {"MLP"})


def test_a_file_knows_its_own_path(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(f'HERE = __file__  # not "__file__"\n{SPACE}\nBOTH = [HERE, __file__]\n')
    text = space_file.read(path)
    assert '# not "__file__"' in text
    assert f"BOTH = [HERE, {str(path)!r}]" in text
    assert text.startswith(f"HERE = {str(path)!r}")
    assert len(space_file.load(text).trial.recipe) == 1


def test_a_shipped_space_is_found_by_its_name():
    assert space_file.find("digits").name == "digits.py"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x = 1", "mine.py builds 0 Space objects"),
        (SPACE + "\nother = Space(space.trial)", "builds 2 Space objects"),
        (
            "import nothing_of_that_name",
            "mine.py, line 1: No module named 'nothing_of_that_name'; install it wherever trials",
        ),
        ("a = 1\nb = (", "mine.py, line 2: SyntaxError"),
        ("\n\nraise RuntimeError('no')", "mine.py, line 3: RuntimeError: no"),
        ("from automl import Int\nx = Int(3, 1)", "mine.py, line 2: Int.*low is above high"),
    ],
)
def test_a_bad_file_is_one_sentence_with_its_line(text, sentence):
    with pytest.raises(UserError, match=sentence):
        space_file.load(text, name="mine.py")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("nowhere/space.py", "there is no space file"), ("digit", "did you mean 'digits'")],
)
def test_a_wrong_name_is_told(name, sentence):
    with pytest.raises(UserError, match=sentence):
        space_file.find(name)
