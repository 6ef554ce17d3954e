"""Searches through a real Ray, with spaces made for one behaviour each."""

import time
from functools import partial

import pytest
from helpers.trials import drive
from helpers.undelivered import undelivered

from automl.engine import api
from automl.engine.statuses import state
from automl.engine.watch import Watch
from automl.models.mlp import MLP
from automl.space.store_keys import prefix_keys
from automl.store import Store

IMPORTS = """
from dataclasses import dataclass
from automl import Prune
from automl import Quantize
from automl import Sklearn
from automl import MLP
from automl import Step
from automl import Int, OneOf, Space, TrialConfig
from automl import Train
from automl import SGD
from automl import Fixed
"""
SHARED_PREFIX = """
recipe = (Train(epochs=15), OneOf(None, Quantize()))
space = Space(TrialConfig(Sklearn("digits"), MLP((32,)), recipe))
"""
FAILING = """
@dataclass(frozen=True)
class Fussy(Step):
    mood: int = 0
    def apply(self, model, context):
        if self.mood == 1:
            raise RuntimeError("not in the mood")
        return model

recipe = (Train(SGD(), Fixed(OneOf(1e-2, 1e18)), epochs=1), OneOf(None, Fussy(Int(1, 1))))
space = Space(TrialConfig(Sklearn("digits"), MLP((16,)), recipe), ("accuracy",))
"""


SLEEP_SECONDS = 120
SLEEPING = f"""
import time

@dataclass(frozen=True)
class Sleep(Step):
    def apply(self, model, context):
        time.sleep({SLEEP_SECONDS})
        return model

recipe = (Sleep(label="sleep"),)
space = Space(TrialConfig(Sklearn("digits"), MLP((Int(8, 64),)), recipe), ("accuracy",))
"""
DYING = """
import os, signal
from pathlib import Path

@dataclass(frozen=True)
class Die(Step):
    times: int = 1
    def apply(self, model, context):
        with Path({diary!r}).open("a") as diary:
            diary.write("x")
        if Path({diary!r}).stat().st_size <= self.times:
            os.kill(os.getpid(), signal.SIGKILL)
        return model

recipe = (Train(epochs=4), Die({times}), Quantize())
space = Space(TrialConfig(Sklearn("digits"), MLP((16,)), recipe), ("accuracy",))
"""


class Recorder(Watch):
    def __init__(self):
        self.reports, self.faults = [], []

    def lost(self, trial, fault):
        self.faults.append(fault)

    def reported(self, trial, report):
        self.reports.append((trial, report.epoch))


@pytest.fixture
def search(ray_session, tmp_path):
    return partial(searched_in, tmp_path)


def searched_in(folder, text, **options):
    path = folder / "mine.py"
    path.write_text(IMPORTS + text)
    with undelivered():
        return api.search(path, home=folder / "home", **{"refit_minutes": 0, **options})


@pytest.fixture(scope="module")
def two_trials(ray_session, tmp_path_factory):
    """A search of two trials with a prefix in common, and the reports that were seen."""
    recorder = Recorder()
    options = {"trials": 2, "sampler": "random", "watch": recorder}
    return searched_in(tmp_path_factory.mktemp("two"), SHARED_PREFIX, **options), recorder.reports


def test_two_trials_that_start_together_train_their_prefix_once(two_trials):
    found, reports = two_trials
    results = [record.result for record in found.study.records()]
    assert [result.status for result in results] == ["complete", "complete"]
    assert sorted(result.reused_steps for result in results) == [0, 1]
    assert [epoch for _, epoch in reports] == list(range(1, 16))


def test_trials_through_ray_give_identical_weights(two_trials, store):
    found, _ = two_trials
    theirs = Store(found.home.store)
    for record in found.study.records():
        assert (record.result.status, record.result.reason) == ("complete", "")
        _, alone = drive(found.config(record), store)
        for name in ("weights.safetensors", "model.onnx"):
            assert theirs.read(record.result.key, name) == store.read(alone.key, name)


def test_a_failing_trial_does_not_end_the_search(search):
    found = search(FAILING, trials=4, sampler="random", concurrency=1)
    reasons = {
        (r.params["recipe.train.learning_rate.value"], r.params["recipe.fussy"]): r.result
        for r in found.study.records()
    }
    assert len(reasons) == 4
    assert reasons["0.01", "None"].status == "complete"
    assert reasons["0.01", "Fussy"].reason == "RuntimeError: not in the mood"
    assert "diverged" in reasons["1e+18", "None"].reason
    assert "diverged" in reasons["1e+18", "Fussy"].reason


def test_trials_that_are_too_long_for_the_time_are_shortened(search):
    text = SHARED_PREFIX.replace("epochs=15", "epochs=100000")
    found = search(text, minutes=0.4, concurrency=1)
    results = [record.result for record in found.study.records()]
    complete = [result for result in results if result.status == "complete"]
    assert complete and all(result.shortened for result in complete)
    assert {result.status for result in results} <= {"complete", "stopped"}
    assert state(found.study) == "finished"


def test_time_that_is_up_ends_a_step_that_reports_nothing(search):
    started = time.monotonic()
    found = search(SLEEPING, minutes=0.1, concurrency=1)
    assert time.monotonic() - started < SLEEP_SECONDS
    assert {record.result.status for record in found.study.records()} == {"stopped"}


def test_trials_that_fall_behind_are_paused_and_at_the_end_stopped(search):
    recorder = Recorder()
    text = SHARED_PREFIX.replace("MLP((32,))", "MLP((Int(8, 64),))").replace(
        "epochs=15", "epochs=20"
    )
    found = search(text, trials=10, sampler="random", watch=recorder)
    results = {record.id: record.result for record in found.study.records()}
    stopped = [number for number, result in results.items() if result.status == "stopped"]
    assert len(results) == 10 and stopped
    reached = {number: max(e for n, e in recorder.reports if n == number) for number in stopped}
    reasons = [
        f"after epoch {epoch} of train it was not among the best third" for epoch in (2, 4, 8)
    ]
    assert {results[number].reason for number in stopped} <= set(reasons)
    assert all(results[number].seconds > 0 for number in stopped)
    store = Store(found.home.store)
    for record in found.study.records():
        if record.id in stopped:
            key = prefix_keys(found.config(record))[0]
            at = reached[record.id]
            assert store.starting_with(key) == [f"{key}@{at}"], "none went on unasked"


def test_the_front_is_refitted_at_its_cut_shapes(search):
    recorder = Recorder()
    text = SHARED_PREFIX.replace("epochs=15), ", "epochs=3), Prune(0.5), ")
    found = search(text, trials=2, refit_minutes=1.0, watch=recorder)
    trials, refits = found.study.records(), found.study.refits()
    assert [record.result.status for record in trials] == ["complete"] * 2
    assert {record.result.status for record in refits} == {"complete"}
    assert {record.trial_id for record in refits} <= {"0000-refit", "0001-refit"}
    for record in refits:
        config = found.config(record)
        assert config.model == MLP((16,)) and config.recipe[0].epochs == 6
    longest = [trial for trial, epoch in recorder.reports if epoch == 6]
    assert len(longest) == 1, "two refits of one training train once"
    assert found.study.attribute("refit_seconds") > 0
    best = max(r.values["accuracy"] for r in [*trials, *refits])
    assert max(record.values["accuracy"] for record in found.members()) == best


def test_a_trial_that_lost_its_process_goes_on(search, tmp_path):
    recorder = Recorder()
    text = DYING.format(diary=str(tmp_path / "diary"), times=1)
    found = search(text, trials=1, watch=recorder)
    (record,) = found.study.records()
    assert record.result.status == "complete"
    assert record.result.notes == tuple(recorder.faults)
    (fault,) = recorder.faults
    assert fault.startswith("its process ended, its last report that of train, epoch")
    assert fault.endswith("it went on from its checkpoint")
    assert sorted({epoch for _, epoch in recorder.reports}) == [1, 2, 3, 4]
    assert record.result.reused_steps == 1


def test_a_trial_that_loses_every_process_fails_with_the_reason(search, tmp_path):
    found = search(DYING.format(diary=str(tmp_path / "diary"), times=99), trials=1)
    (record,) = found.study.records()
    assert record.result.status == "failed"
    assert record.result.reason.startswith("it was lost 3 times; the last time its process ended")


def test_a_trial_that_hangs_is_ended(search):
    started = time.monotonic()
    found = search(SLEEPING, trials=2, concurrency=1, trial_minutes=0.05)
    assert time.monotonic() - started < SLEEP_SECONDS
    results = [record.result for record in found.study.records()]
    assert {result.status for result in results} == {"failed"}
    assert {result.reason for result in results} == {"it was ended after --trial-minutes 0.05"}
