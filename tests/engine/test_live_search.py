"""Trials of one process and of several, handed out as a cluster of four cores has room."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers.made_up_world import Bound
from helpers.small_study import SETTINGS

from automl.cluster.placement import Plan, Request
from automl.cluster.trial_inputs import num_workers
from automl.engine.live_search import LiveSearch
from automl.engine.phases import Phases
from automl.engine.refit import Refitter
from automl.engine.watch import Watch
from automl.home import home_at
from automl.measure.measurement import Measurement
from automl.space import space_file
from automl.study.background import Immediately
from automl.study.budget import Budget, Clock
from automl.study.dispatcher import Dispatcher, DispatcherOptions
from automl.study.study import create
from automl.trial.result import Status, TrialResult

TEXT = """
from automl import DataParallel, MLP, Int, OneOf, SingleDevice, Sklearn, Space, Train, TrialConfig

parallelism = OneOf(SingleDevice(), DataParallel(3))
recipe = (Train(epochs=1, parallelism=parallelism),)
space = Space(TrialConfig(Sklearn("digits"), MLP((Int(8, 64),)), recipe), ("accuracy",))
"""
CORES = 4
MEASURED = Measurement({"accuracy": 0.9}, 1000, 1.0, 1.0)
OVER = TrialResult(Status.COMPLETE, key="k", measurement=MEASURED, seconds=1.0)


class Silent:
    """Takes all that a tracker is told, and has delivered it."""

    journal = SimpleNamespace(num_undelivered=lambda: 0)

    def __getattr__(self, name):
        return lambda *told, **named: None


class Nodes:
    """The room of one node."""

    def __init__(self):
        self.request, self.cores = Request(gpus=0.0), CORES

    def plan(self):
        return Plan(self.request, [0, 3], [{"CPU": float(self.cores)}])

    def look(self):
        return []


@pytest.fixture
def live(tmp_path):
    study = create(tmp_path / "s", SETTINGS, TEXT, {"": b""})
    space, plan = space_file.load(TEXT), Nodes().plan()
    options = DispatcherOptions(plan.slots, plan.max_live(), 40, thread=Immediately)
    dispatcher = Dispatcher(study, space, "", lambda key: False, Bound, options)
    under_way = dispatcher.under_way
    refitter = Refitter(
        study,
        dispatcher.writing,
        under_way.keys,
        lambda record: under_way.config(record.params),
        lambda key, name: None,
    )
    clock = Clock(Budget(trials=40, refit_minutes=0))
    phases = Phases(dispatcher, refitter, clock)
    return LiveSearch(home_at(Path(tmp_path)), phases, Silent(), Watch(), Nodes())


def hand_out(live):
    """Hand out all that are due, as the searcher does."""
    while (record := live.phases.next_trial()) is not None:
        live.start(record)
        live.place(record.id, num_workers(live.phases.config_of(record.id)))


def processes(workers):
    return max(1, workers)


def test_as_many_trials_are_handed_out_as_fit_and_one_that_waits(live):
    seen = set()
    for _ in range(30):
        hand_out(live)
        sizes = [processes(workers) for workers in live.live.values()]
        assert sum(sizes[:-1]) <= CORES < sum(sizes), "all but the last are at work"
        seen.add(tuple(sorted(sizes)))
        live.end(next(iter(live.live)), OVER)
    assert {1, 3} == {size for sizes in seen for size in sizes}


def test_a_cluster_that_grows_has_more_handed_out(live):
    hand_out(live)
    before = len(live.live)
    live.room.cores, live.next_look = 3 * CORES, 0.0
    live.look_around()
    hand_out(live)
    sizes = [processes(workers) for workers in live.live.values()]
    assert len(sizes) > before and sum(sizes[:-1]) <= 3 * CORES < sum(sizes)
    assert live.dispatcher.study.attribute("slots") == 3 * CORES


def test_prometheus_counts_no_trial_as_running_that_waits_for_room(live):
    told = []
    live.metrics.gauges = SimpleNamespace(show=told.append)
    for _ in range(30):
        hand_out(live)
        live.metrics.show()
        if len(live.live) > CORES:
            break
        live.end(next(iter(live.live)), OVER)
    assert len(live.live) == CORES + 1
    assert told[-1].slots == told[-1].trials["running"] == CORES


def test_the_time_of_a_run_counts_where_no_trial_has_ended(live):
    hand_out(live)
    study = live.dispatcher.study
    assert study.attribute("seconds", 0.0) == 0
    live.note_spent()
    assert study.attribute("seconds", 0.0) > 0
