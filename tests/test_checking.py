"""What `automl check` does with a space of teachers."""

from automl import checking
from automl.home import Home

TEACHERS = """
from automl.data.sklearn import Sklearn
from automl.models.mlp import MLP
from automl.recipe import Sibling
from automl.space import OneOf, Space, TrialConfig
from automl.training.distill import Distill, Joint
from automl.training.loop import Train

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
    run = checking.run_trial

    def watched(*given):
        trial = run(*given)
        while True:
            try:
                report = next(trial)
            except StopIteration as end:
                return end.value
            seen.append((report.step, report.epoch, report.epochs))
            yield report

    monkeypatch.setattr(checking, "run_trial", watched)
    file = tmp_path / "teachers.py"
    file.write_text(TEACHERS)
    report = checking.check(str(file), {}, Home(tmp_path / "home"), run=True)
    assert report["trial"] == "complete"
    assert "recipe.taught.loss.Distill.teacher.model.widths.0" in report["parameters"]
    steps = ("train", "taught.teacher.train", "taught.teacher.more", "taught")
    assert seen == [(step, 1, 1) for step in steps]
