"""Spaces checked, and one tiny trial run."""

import json
import re

from helpers.command import automl, object_of

from automl.cli import check, tiny_trial
from automl.home import Home

TEACHERS = """
from automl import Sklearn
from automl import MLP
from automl import Sibling
from automl import OneOf, Space, TrialConfig
from automl import Distill, Joint
from automl import Train

first = Train(loss=Joint(), epochs=7)
teacher = Sibling((Train(epochs=9), Train(label="more", epochs=9)), MLP((OneOf(32, 64),)))
space = Space(
    TrialConfig(
        Sklearn("digits"),
        MLP((8,)),
        (first, Train(label="taught", loss=OneOf(None, Distill(teacher)), epochs=8)),
    )
)
"""

TELLING = """
from dataclasses import dataclass

from automl import MLP, Sklearn, Space, Step, Train, TrialConfig
from automl.recipe import LayerOutcome


@dataclass(frozen=True)
class Telling(Step):
    def apply(self, network, context):
        head = LayerOutcome("head.weight", 1000, "8 bits")
        context.outcomes[self.label] = (LayerOutcome("lstm.weight", 4000, reason="LSTM"), head)
        return network


space = Space(TrialConfig(Sklearn("digits"), MLP((8,)), (Train(epochs=1), Telling())))
"""

TALKING = """
import os
import subprocess

from automl import MLP, Sklearn, Space, Train, TrialConfig

print("from the file")
os.write(1, b"from the system\\n")
subprocess.run(["echo", "from a child"])
space = Space(TrialConfig(Sklearn("iris"), MLP((8,)), (Train(epochs=1),)))
"""

REFUSING = """
from dataclasses import dataclass

from automl import MLP, Sklearn, Space, Step, Train, TrialConfig
from automl.errors import Rejected


@dataclass(frozen=True)
class Refusing(Step):
    def apply(self, network, context):
        raise Rejected("never good enough")


space = Space(TrialConfig(Sklearn("digits"), MLP((8,)), (Train(epochs=1), Refusing())))
"""


def test_a_tiny_trial_trains_its_teachers_for_one_epoch_too(tmp_path, monkeypatch):
    seen = []
    run = tiny_trial.run_trial

    def watched(*given):
        trial = run(*given)
        while True:
            try:
                report = next(trial)
            except StopIteration as end:
                return end.value
            seen.append((report.step, report.epoch, report.epochs))
            yield report

    monkeypatch.setattr(tiny_trial, "run_trial", watched)
    file = tmp_path / "teachers.py"
    file.write_text(TEACHERS)
    report = check.examine(str(file), {}, Home(tmp_path / "home"), run=True)
    assert report.trial == "complete"
    assert "recipe.taught.loss.Distill.teacher.model.widths.0" in report.parameters
    steps = ("train", "taught.teacher.train", "taught.teacher.more", "taught")
    assert seen == [(step, 1, 1) for step in steps]


def test_a_tiny_trial_tells_what_became_of_each_layer(here, tmp_path):
    (tmp_path / "telling.py").write_text(TELLING)
    first = "telling left 80 % of the weights as they were: lstm.weight, 80 % (LSTM)"
    done = here("check", "telling.py", "--run", "--json")
    assert done.stderr.endswith(
        "the tiny trial gave no model: rejected did not shrink: 2931 bytes, its parent has 2931\n"
    )
    told = json.loads(done.stdout)
    assert told["notes"] == [first]
    assert [own["tensor"] for own in told["layers"]["tensors"]] == ["lstm.weight", "head.weight"]
    assert [data["num_rows"] for data in told["data"]] == [1797]
    text = here("check", "telling.py", "--run").stdout
    assert text.startswith("data: Sklearn()\nrows: 1,797, each an image of 8 x 8 pixels")
    assert "target: 10 classes (classification), 0 (178), 1 (182)," in text
    assert f"note: {first}\n" in text
    assert re.search(r"head.weight +1000 +20 % +8 bits *\n", text)
    assert "note" not in here("check", "telling.py").stdout


def test_check_tells_of_every_parameter(tmp_path):
    report = object_of(automl("check", "digits", "--run", "--json", cwd=tmp_path))
    assert report["parameters"]["model"] == "MLP | ConvNet"
    assert report["trial_memory_bytes"] > 32 * report["largest_model_parameters"]
    assert report["trial"] == "complete"


def test_a_tiny_trial_that_gives_no_model_is_told_by_the_exit_code(here, tmp_path):
    (tmp_path / "refused.py").write_text(REFUSING)
    done = here("check", "refused.py", "--run")
    assert done.returncode == 1
    assert "trial: rejected never good enough\n" in done.stdout
    assert done.stderr.endswith("the tiny trial gave no model: rejected never good enough\n")
    assert here("check", "refused.py").returncode == 0


def test_what_a_space_file_prints_is_no_part_of_the_object(here, tmp_path):
    (tmp_path / "talking.py").write_text(TALKING)
    done = automl("check", "talking.py", "--json", cwd=tmp_path)
    assert object_of(done)["parameters"] == {}
    said = ["from a child", "from the file", "from the system"]
    assert sorted(done.stderr.splitlines()) == said
    assert "from the file\n" in automl("check", "talking.py", cwd=tmp_path).stdout
