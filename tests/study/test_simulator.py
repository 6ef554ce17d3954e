"""Whole searches on a virtual clock: what they promise when killed, paused and crowded."""

import math
import random
from functools import partial

import pytest

from automl.measure.measurement import Measurement
from automl.pareto import Axis
from automl.recipe import Report
from automl.space import space_file
from automl.study.background import Immediately
from automl.study.budget import Budget
from automl.study.dispatcher import Dispatcher, DispatcherOptions
from automl.study.propose.samplers import SAMPLERS
from automl.study.record import Settings
from automl.study.simulator import simulate
from automl.study.stopping.rung_entry import rung_entry
from automl.study.study import Study, create
from automl.trial.result import Status, TrialResult

AXES = {"accuracy": Axis(0.1, 1.0), "size_bytes": Axis(1e5, 1e2, True)}


class Bound:
    """Made up: bytes by the length of the model's text, about by its number of layers."""

    is_rejected = False

    def __init__(self, config):
        self.size_bytes = 1000 * len(str(config.model))
        self.macs = 10 * self.size_bytes
        self.steps = {s.label: 10**9 * getattr(s, "epochs", 1) for s in config.recipe}


def made_up(store, keys_of, config):
    """A trial's course: better with every epoch, its prefixes and epochs kept in `store`."""
    rng = random.Random(str(config))
    keys, top = keys_of(config), rng.uniform(0.5, 1.0)
    for key, step in zip(keys, config.recipe, strict=False):
        epochs = getattr(step, "epochs", 0)
        for epoch in range(1, 0 if store.get(key) == "done" else epochs + 1):
            again = epoch <= store.get(key, 0)
            store[key] = max(epoch, store.get(key, 0))
            accuracy = top * epoch / (epoch + 1)
            yield 0.0 if again else 1.0, Report(step.label, epoch, epochs, {"accuracy": accuracy})
        store[key] = "done"
    return 0.5, TrialResult(Status.COMPLETE, "", keys[-1], _measured(top, config))


def _measured(accuracy, config):
    return Measurement({"accuracy": accuracy}, Bound(config).size_bytes, 1.0, 1.0)


@pytest.fixture
def start(tmp_path):
    """A dispatcher on the search of a name, new or as it was left."""

    def start(name, *, sampler="tpe", constraints=(), **options):
        folder, text = tmp_path / name, space_file.find("digits").read_text()
        if not folder.exists():
            axes = ("accuracy", "size_bytes")
            settings = Settings("s", "", axes, constraints, {}, 0, sampler, AXES, 1.0)
            create(folder, settings, text, {"": b""})
        study, options = Study(folder), {"slots": 1, "max_live": 2, "max_trials": 40, **options}
        entry_of = partial(rung_entry, study.settings, Bound)
        options = DispatcherOptions(**options, rung_entry=entry_of, thread=Immediately)
        space = space_file.load(text)
        return Dispatcher(study, space, "", lambda key: False, Bound, options)

    return start


def play(dispatcher, store, workers=1, **options):
    course_of = partial(made_up, store, dispatcher.under_way.keys)
    return simulate(dispatcher, course_of, workers, **options)


def story(dispatcher):
    return [(r.id, r.params, r.result, r.is_paused) for r in dispatcher.study.records()]


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_one_slot_killed_ten_times_ends_like_one_that_was_not(start, sampler):
    whole = start("whole", sampler=sampler)
    num_events = len(list(play(whole, {})))
    assert whole.is_over()
    rng, store = random.Random(1), {}
    for _ in range(10):
        killed = play(start("killed", sampler=sampler), store)
        for _ in range(rng.randrange(1, num_events // 8)):
            next(killed, None)
    last = start("killed", sampler=sampler)
    list(play(last, store))
    assert story(last) == story(whole)


def test_paused_trials_go_on_when_there_is_room(start):
    dispatcher, went_on = start("s", max_trials=90), []
    before = set()
    for _ in play(dispatcher, {}):
        now = set(dispatcher.under_way.paused)
        went_on += before - now
        before = now
    records = dispatcher.study.records()
    assert len(records) == 90 and went_on
    assert all((record.result is None) == record.is_paused for record in records)
    assert [r.id for r in records if r.is_paused] == dispatcher.under_way.all()


def test_more_workers_do_more_in_less_time(start):
    seconds = {}
    for workers in (1, 8):
        options = {"slots": workers, "max_live": workers + 1}
        events = list(play(start(f"w{workers}", **options), {}, workers))
        seconds[workers] = events[-1].second
    assert seconds[8] < seconds[1] / 4


def test_time_that_is_up_ends_a_search_in_the_middle(start):
    dispatcher = start("s")
    events = list(play(dispatcher, {}, budget=Budget(minutes=0.5)))
    assert events[-2].second < 30 <= events[-1].second and not dispatcher.is_over()
    assert dispatcher.under_way.all()


def test_stagnation_or_used_up_gpu_hours_end_a_search(start):
    patient = list(play(start("p", max_trials=math.inf), {}, budget=Budget(patience=15)))
    front = start("p").study.hypervolumes()
    assert front[-1] <= 1.001 * front[-16] and len(front) > 15
    events = list(play(start("g"), {}, budget=Budget(gpu_hours=0.01), gpus_per_trial=0.5))
    assert 72 <= events[-1].second < 75 and len(patient) > len(events)


@pytest.mark.parametrize("slots", [1, 4])
def test_a_search_that_ended_goes_on_with_a_larger_budget(start, slots):
    options = {"slots": slots, "max_live": slots + 1}
    store, first = {}, start("s", max_trials=30, **options)
    list(play(first, store, slots))
    assert first.under_way.paused
    for trial in first.under_way.all():
        first.end(trial, TrialResult(Status.STOPPED, reason=first.why_unfinished(trial)))
    again = start("s", max_trials=80, **options)
    list(play(again, store, slots))
    records = again.study.records()
    assert len(records) == 80 and [record.id.number for record in records] == list(range(80))
    assert [r.result for r in records[:30]] == [r.result for r in first.study.records()[:30]]


def test_constraints_hold_through_a_whole_search(start):
    """The bound is what a file will be: what breaks the constraint is screened, all else runs."""
    dispatcher = start("s", constraints=("size_bytes<=70000",), max_trials=30)
    ended = [event.record for event in play(dispatcher, {}) if event.record]
    assert ended and all(record.values["size_bytes"] <= 70_000 for record in ended)
    screened = [params for r in dispatcher.study.records() for params in r.drawing.screened]
    sizes = [Bound(dispatcher.under_way.config(params)).size_bytes for params in screened]
    assert sizes and min(sizes) > 70_000


@pytest.mark.parametrize("is_written", [False, True])
def test_a_crash_around_the_write_of_an_end_loses_nothing(start, is_written, monkeypatch):
    whole, store = start("whole"), {}
    list(play(whole, {}))
    killed = start("killed")

    def crash(record, update=killed.study.update):
        if is_written:
            update(record)
            if record.result is None:
                return
        raise KeyboardInterrupt

    course = play(killed, store)
    for _ in range(40):
        next(course)
    monkeypatch.setattr(killed.study, "update", crash)
    with pytest.raises(KeyboardInterrupt):
        for _ in course:
            pass
    last = start("killed")
    list(play(last, store))
    assert story(last) == story(whole)
