"""Spaces checked, and one tiny trial run."""

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


def test_check_tells_of_every_parameter(tmp_path):
    report = object_of(automl("check", "digits", "--run", "--json", cwd=tmp_path))
    assert report["parameters"]["model"] == "MLP | ConvNet"
    assert report["trial"].startswith(("complete", "rejected"))
