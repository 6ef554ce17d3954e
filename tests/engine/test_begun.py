"""One command that begins a search or goes on with it."""

import os
import signal
from dataclasses import replace

import pytest
from helpers import known_search
from helpers.search_process import finished, runs, start, wait_for

from automl.engine import api, begun, chosen_runtimes
from automl.engine.watch import Watch
from automl.errors import UserError
from automl.space import space_file
from automl.study import storage
from automl.study.study import create
from automl.trial.result import Status, TrialResult

__all__ = ["start"]


@pytest.fixture
def home(tmp_path):
    """A home with one search, of the shipped space digits, that has ended."""
    known_search.make(tmp_path / "studies")
    return tmp_path


def digits():
    return space_file.find("digits").read_text()


def same(home, **options):
    given = {"name": "known", "resume_if_exists": True, **options}
    return api.search("digits", home=home, **given)


def test_a_search_that_has_ended_is_shown_and_not_run_again(home):
    before = api.open_study(api.home_at(home), "known").records()
    assert same(home).study.records() == before


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"sampler": "random"}, r"\(--sampler\)"),
        ({"sets": {"recipe.train.epochs": "2"}}, r"\(--set, --seed or the workers of a trial\)"),
        ({"seed": 3, "warm_start": "known"}, r"of a trial, --warm-start\)"),
        ({"runtimes": ["onnxruntime:threads=4,batch=8"]}, r"\(--runtime\)"),
        ({"initial_points": [{"model": "MLP"}]}, r"\(--initial-points\)"),
        ({"study_storage": "sqlite:///studies.db"}, r"\(--study-storage\)"),
        ({"reuse": False}, r"\(--no-reuse\)"),
        ({"early_stopping": False, "measure_on": "pi"}, r"\(--measure-on, --no-early-stopping\)"),
    ],
)
def test_another_search_of_that_name_is_told_by_what_differs(options, part, home, monkeypatch):
    monkeypatch.chdir(home)
    with pytest.raises(UserError, match=rf"began otherwise .*{part}; .*automl resume known"):
        same(home, **options)


def test_a_search_goes_on_under_the_options_that_it_began_with(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    began = {
        "runtimes": ["onnxruntime:threads=4"],
        "initial_points": [{"model": "MLP"}],
        "study_storage": "sqlite:///studies.db",
        "early_stopping": False,
    }
    points = ({"model": "ConvNet"}, *began["initial_points"])
    (tmp_path / "studies").mkdir()
    settings = replace(
        known_search.SETTINGS,
        runtimes=tuple(map(chosen_runtimes.read, began["runtimes"])),
        initial_points=points,
        reference_params=points[0],
    )
    text, database = digits(), storage.absolute(began["study_storage"])
    study = create(tmp_path / "studies" / "known", settings, text, {"": b""}, database=database)
    study.set_attribute("options", {"early_stopping": False})
    study.set_attribute("state", "finished")
    assert same(tmp_path, **began).study.settings == settings


class Told(Watch):
    def found(self, lines):
        self.lines = lines


def test_a_search_that_has_ended_without_a_model_says_why_again(home):
    study = create(home / "studies" / "none", known_search.SETTINGS, digits(), {"": b""})
    known_search.end(study, TrialResult(Status.FAILED, "ValueError: boom"))
    study.set_attribute("options", {"trials": 1})
    study.set_attribute("state", "finished")
    why = "none of its trials is complete, 1 of 1 ended so: ValueError: boom"
    watch = Told()
    assert same(home, name="none", watch=watch).failed == why
    assert watch.lines == [
        f"search 'none' has no model to take: {why}; mend that, or search longer: "
        "automl resume none"
    ]


def test_an_edited_space_is_another_one(home, tmp_path):
    file = tmp_path / "digits.py"
    file.write_text((tmp_path / "studies" / "known" / "space.py").read_text() + "\n# edited\n")
    with pytest.raises(UserError, match=r"than this command has it \(the space's text\)"):
        api.search(file, home=home, name="known", resume_if_exists=True)


def test_models_that_lie_elsewhere_are_told(home):
    with pytest.raises(UserError, match="choose another --home, or leave --store out"):
        same(home, store="/elsewhere")


WITHIN = "accuracy within 1% of reference and size_bytes <= 50% of reference"


def test_a_goal_by_a_reference_that_is_not_trained_is_refused(home):
    sentence = "search 'known' began without such a goal, and so does not train its reference"
    for go_on in (
        lambda: api.resume("known", home=home, until=WITHIN),
        lambda: same(home, until=WITHIN),
    ):
        with pytest.raises(UserError, match=sentence):
            go_on()


def test_a_goal_by_a_reference_that_is_known_is_taken(tmp_path):
    only = """
from automl import MLP, Int, Sklearn, Space, Train, TrialConfig
space = Space(TrialConfig(Sklearn("digits"), MLP((8,)), (Train(epochs=Int(1, 9)),)))
"""
    known = {"reference": {"size_bytes": 1e6}, "constraints": ()}
    trained = {"reference_params": {"model": "ConvNet"}}
    for name, text, more in (
        ("only", only, {}),
        ("many", digits(), trained),
    ):
        study = create(
            tmp_path / name, replace(known_search.SETTINGS, **known, **more), text, {"": b""}
        )
        reached = replace(known_search.complete(0.9, 9000, 0.1), parent_quality={"accuracy": 0.9})
        known_search.end(study, reached)
        with pytest.raises(UserError, match="has ended: trial 0000 meets accuracy within 1%"):
            begun.check_goal(study, WITHIN)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_same_command_begins_goes_on_and_ends(start, tmp_path):
    epochs = ("--set", "recipe.train.epochs=2", "--set", "recipe.fine_tune.epochs=1")
    budget = ("--trials", "4", "--refit-minutes", "0", "--concurrency", "1")
    command = ("search", "digits", "--resume-if-exists", *budget, *epochs)
    first = start(*command)
    wait_for(lambda: finished(tmp_path))
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    before = finished(tmp_path)
    assert 0 < len(before) < 4
    assert start(*command).wait(240) == 0
    after = finished(tmp_path)
    assert sorted(after) == [0, 1, 2, 3]
    assert {number: after[number] for number in before} == before
    assert len(runs(tmp_path)[1]) == 4
    assert start(*command).wait(240) == 0
    assert finished(tmp_path) == after
