"""Options, each declared once: read, checked, and shown by what takes them."""

import inspect
import math
from dataclasses import dataclass, fields
from typing import Annotated

import pytest

import automl
from automl.engine import search_options
from automl.engine.declared_options import Shown
from automl.engine.search_options import NewSearch, Options, declared, read
from automl.engine.wishes import OwnData
from automl.errors import UserError
from automl.study.budget import Budget


@pytest.mark.parametrize(
    "wrong",
    [
        {"trials": 0},
        {"minutes": -1.0},
        {"minutes": math.nan},
        {"gpu_hours": 0.0},
        {"gpu_hours": math.inf},
        {"patience": -3},
        {"refit_minutes": -1.0},
        {"trial_minutes": 0.0},
        {"concurrency": 0},
        {"cpus_per_trial": 0.0},
        {"gpus_per_trial": -1.0},
        {"workers_per_trial": 0},
    ],
)
def test_a_value_out_of_its_range_is_refused_by_name(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(UserError, match=rf"^--{name.replace('_', '-')} {value}: it should be "):
        read("search", wrong)


def test_a_value_of_another_type_is_refused_by_name():
    with pytest.raises(UserError, match=r"^--trials many: it should be a valid integer"):
        read("search", {"trials": "many"})
    with pytest.raises(UserError, match=r"^--initial-points 3: "):
        read("search", {"initial_points": 3})
    with pytest.raises(UserError, match=r"^--set seed=3: it should be a valid dict"):
        read("search", {"sets": "seed=3"})


def test_an_unknown_option_is_refused_with_the_nearest_name():
    with pytest.raises(UserError, match=r"unknown option 'trails'; did you mean 'trials'"):
        automl.search("digits", trails=3)
    with pytest.raises(UserError, match="unknown option 'sampler'"):
        read("resume", {"sampler": "gp"})


def test_a_share_of_a_gpu_is_a_number_or_found_by_the_search():
    for given, gpus in (("0.5", 0.5), (2, 2.0), ("auto", 1.0)):
        options, _ = read("search", {"gpus_per_trial": given, "gpu_hours": 1.0})
        assert options.request().gpus == gpus
    assert options.gpus_per_trial == "auto"
    with pytest.raises(UserError, match=r"^--gpus-per-trial many: it should be a valid number"):
        read("search", {"gpus_per_trial": "many"})


def test_a_type_of_gpu_needs_trials_that_take_one():
    options, _ = read("doctor", {"gpus_per_trial": 1.0, "gpu_type": "A100"})
    assert options.request().gpu_type == "A100"
    with pytest.raises(UserError, match=r"^--gpu-type A100: .* give --gpus-per-trial too"):
        read("search", {"gpu_type": "A100"})


def test_gpu_hours_need_trials_that_reserve_gpus():
    with pytest.raises(UserError, match="give --gpus-per-trial too"):
        read("search", {"gpu_hours": 1.0})
    assert read("search", {"gpu_hours": 1.0, "gpus_per_trial": 0.5})[0].gpu_hours == 1.0


def test_options_not_given_are_as_they_were():
    before, _ = read("search", {"trials": 7, "reuse": False, "cpus_per_trial": 2.0})
    now, _ = read("resume", {"trials": 9, "minutes": None}, vars(before))
    assert (now.trials, now.reuse, now.cpus_per_trial, now.minutes) == (9, False, 2.0, None)


def test_a_goal_is_kept_until_it_is_taken_off():
    before, _ = read("search", {"until": "accuracy>=0.9"})
    kept, _ = read("resume", {"trials": 9, "until": None}, vars(before))
    assert kept.budget().until == "accuracy>=0.9"
    assert read("resume", {"until": ""}, vars(kept))[0].budget().until == ""


def test_each_budget_is_an_option():
    given = {f.name: 0.5 + i for i, f in enumerate(fields(Budget)) if f.type.startswith("float")}
    given |= {f.name: i + 1 for i, f in enumerate(fields(Budget)) if f.name not in given}
    given |= {"minutes": 100.0, "until": "accuracy>=0.5"}
    assert Options(**given).budget() == Budget(**given)


def test_python_shows_the_options_that_it_takes():
    names = list(inspect.signature(automl.search).parameters)
    assert names == ["space", *declared("search"), "home", "watch"]
    classes = (Options, NewSearch, OwnData)
    assert {*declared("search")} == {f.name for cls in classes for f in fields(cls)}
    taken = list(inspect.signature(automl.resume).parameters)
    assert taken == ["name", *declared("resume"), "home", "watch"]


def test_a_field_more_is_an_option_more(monkeypatch):
    @dataclass(frozen=True)
    class More(Options):
        naps: Annotated[int, Shown(search_options.BUDGETS, "Breaks.", commands=("resume",))] = 3

    monkeypatch.setattr(search_options, "Options", More)
    assert declared("resume")["naps"].flag == "--naps"
    assert "naps" not in declared("search")
    assert read("resume", {"naps": 5})[0].naps == 5
    with pytest.raises(UserError, match=r"^--naps x: "):
        read("resume", {"naps": "x"})
