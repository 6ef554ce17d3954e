"""Faults in every place of a search's own process: each is told, and the search goes on."""

import random
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from helpers import faulty_space
from helpers.small_study import SETTINGS, complete
from helpers.trials import CACHE

from automl import MLP, Int, Sklearn, Space, Train, TrialConfig
from automl.bounds.bound import UNKNOWN, Bounds
from automl.cluster.controller import Events
from automl.cluster.placement import Request
from automl.cluster.searcher import StudySearcher
from automl.engine.refit import Refitter
from automl.engine.watch import Watch, guarded
from automl.faults import Faults
from automl.recipe import Report
from automl.space.domains import at
from automl.space.sampling import sample
from automl.study.background import Immediately
from automl.study.dispatcher import Dispatcher, DispatcherOptions
from automl.study.record import TrialRecord
from automl.study.simulator import simulate
from automl.study.stopping.rung_entry import rung_entry
from automl.study.study import Study, create
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult, failed

NUM_TRIALS = 40


def searching(folder, space=faulty_space.space):
    """A search on the study of a folder, made or gone on with."""
    if not folder.exists():
        create(folder, replace(SETTINGS, sampler="tpe", initial_points=()), "text", {"": b""})
    study = Study(folder)
    faults = Faults(study.faults())
    bounds = Bounds(Path(CACHE.name), faults)
    entry = partial(rung_entry, study.settings, bounds)
    options = DispatcherOptions(
        2, 2, NUM_TRIALS, rung_entry=entry, thread=Immediately, faults=faults
    )
    return Dispatcher(study, space, "", lambda key: False, bounds, options)


def course(config):
    """A trial that fails by a chance which goes by its parameters."""
    chance = random.Random(str(config))
    yield 1.0, Report("train", 1, 1, {"accuracy": chance.random()})
    if chance.random() < 0.3:
        return 1.0, TrialResult(Status.FAILED, reason="ValueError: by chance")
    return 1.0, complete(chance.random(), chance.randrange(200, 90_000))


def params(study):
    return [record.params for record in study.records()]


def test_faults_while_trials_are_drawn_cost_no_trial_and_a_resumed_search_repeats_them(
    tmp_path,
):
    whole = searching(tmp_path / "whole")
    for _ in simulate(whole, course, 2):
        pass
    whole.close()
    ended = whole.study.records()
    assert len(ended) == NUM_TRIALS and all(record.result for record in ended)
    told = " | ".join(whole.study.summary().faults)
    for part in (
        "candidates could not be drawn: Picky cannot be made: ZeroDivisionError: 3 is refused",
        "could not be drawn: OSError: the file of 4 is gone",
        "could not be bounded: LookupError: nothing is known of 5",
    ):
        assert part in told
    assert all("Traceback" in fault.traceback for fault in whole.study.faults())
    values = {record.params["recipe.picky.value"] for record in ended}
    assert 5 in values and not values & {3, 4}, "an unknown bound does not refuse a trial"

    cut = searching(tmp_path / "cut")
    for event in simulate(cut, course, 2):
        if event.record and event.record.id.number == 20:
            break
    resumed = searching(tmp_path / "cut")
    for _ in simulate(resumed, course, 2):
        pass
    resumed.close()
    assert len(params(resumed.study)) == NUM_TRIALS
    assert params(resumed.study)[:20] == params(whole.study)[:20]
    assert all(record.result for record in resumed.study.records())


def test_a_space_of_which_nothing_can_be_drawn_ends_and_says_why(tmp_path):
    refused = faulty_space.Picky(Int(3, 4))
    trial = TrialConfig(Sklearn("digits"), MLP((8,)), (Train(epochs=1), refused))
    dispatcher = searching(tmp_path / "s", Space(trial, ("accuracy", "size_bytes")))
    assert dispatcher.next() is None and dispatcher.is_over()
    dispatcher.close()
    told = " | ".join(dispatcher.study.summary().faults)
    assert "could not be drawn: Picky cannot be made: ZeroDivisionError: 3 is refused" in told
    assert "1 candidate could not be drawn: OSError: the file of 4 is gone" in told


def test_a_bound_that_raises_is_unknown_and_loud_where_nobody_listens():
    lowest = {"recipe.picky.value": 5}
    config = sample(faulty_space.space, lambda path, domain: lowest.get(path) or at(domain, 0.0))
    assert Bounds(Path(CACHE.name), Faults())(config) == UNKNOWN
    with pytest.raises(LookupError):
        Bounds(Path(CACHE.name))(config)


class Trials:
    """Two trials, of which the first cannot be planned."""

    name = "two"

    def __init__(self):
        self.left = [TrialRecord(TrialId(number), {"a": number}, {}) for number in range(2)]

    def next_trial(self):
        return self.left.pop(0) if self.left else None

    def is_over(self):
        return not self.left

    def config_of(self, trial):
        if trial == TrialId(0):
            raise FileNotFoundError("the data of trial 0 is gone")
        return TrialConfig(Sklearn("digits"), MLP((8,)), (Train(epochs=1),))

    def time_limit(self, trial):
        return None


def test_a_trial_that_cannot_be_planned_fails_and_the_next_is_handed_out():
    ended, placed = [], []
    told = Events(
        on_start=lambda record: None,
        on_placed=lambda *place: placed.append(place),
        on_report=lambda *report: True,
        on_end=lambda *end: ended.append(end),
        on_left=lambda *left: None,
        on_process_lost=lambda *lost: None,
        on_loop=lambda: None,
    )
    searcher = StudySearcher(Trials(), Request(gpus=0.5), lambda: ["a"], told)
    handed_out = searcher.suggest("any")
    assert handed_out["trial"] == TrialId(1) and placed == [(TrialId(1), 0)]
    assert handed_out["bundle"] == {"CPU": 1.0, "GPU": 0.5} and handed_out["left_out"] == ["a"]
    ((trial, result),) = ended
    assert (trial, result.status) == (TrialId(0), Status.FAILED)
    assert result.reason == "FileNotFoundError: the data of trial 0 is gone"
    assert "config_of" in result.traceback


def test_a_trial_left_running_whose_data_is_gone_fails_when_it_is_resumed(tmp_path):
    first = searching(tmp_path / "s")
    left = first.next()
    first.close()
    again = searching(tmp_path / "s")
    again.under_way.keys = lambda config: (_ for _ in ()).throw(OSError("its data is gone"))
    assert again.next().id == left.id, "whoever runs it meets the error, and tells it"
    with pytest.raises(OSError, match="its data is gone"):
        again.under_way.plan(again.under_way.live[left.id])
    record = again.end(left.id, failed(OSError("its data is gone")))
    assert record.result.status is Status.FAILED


def test_a_refit_that_cannot_be_planned_leaves_the_others(tmp_path):
    study, faults = searching(tmp_path / "s").study, Faults()
    config = TrialConfig(Sklearn("digits"), MLP((8,)), (Train(epochs=1),))

    def config_of(record):
        if record.id.number == 0:
            raise ImportError("a library is gone")
        return config

    front = [
        TrialRecord(TrialId(number), {}, {}, result=complete(0.5 + number / 10, 1000))
        for number in range(2)
    ]
    keys_of, read = (lambda config: ["key"]), (lambda key, name: None)
    refitter = Refitter(study, Immediately("study"), keys_of, config_of, read, faults)
    refitter.line_up(front)
    assert refitter.next().id == TrialId(1).refit and refitter.next() is None
    told = [str(fault) for fault in faults.kinds.values()]
    assert told == ["1 refit could not be planned: ImportError: a library is gone"]


def test_a_watcher_that_raises_is_told_nothing_more():
    class Clumsy(Watch):
        def __init__(self):
            self.told = 0

        def resized(self, slots):
            self.told += 1
            raise OSError("the terminal is gone")

    clumsy, faults = Clumsy(), Faults()
    watch = guarded(clumsy, faults)
    watch.resized(1)
    watch.resized(2)
    watch.closed()
    assert clumsy.told == 1
    told = [str(fault) for fault in faults.kinds.values()]
    assert told == ["1 watcher raised when told 'resized': OSError: the terminal is gone"]
