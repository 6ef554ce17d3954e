import math

import pytest

from automl.errors import UserError
from automl.study.budget import Budget, Clock, GpuMeter
from automl.study.trial_id import TrialId


def test_refits_must_leave_time_to_search_in():
    with pytest.raises(UserError, match="--refit-minutes 5 leave nothing of --minutes 5"):
        Budget(minutes=5.0, refit_minutes=5.0)


def test_a_resumed_search_has_the_refit_time_that_remains():
    seconds = [0.0]
    clock = Clock(Budget(trials=9), 100.0, 10.0, now=lambda: seconds[0])
    seconds[0] = 4.0
    clock.end_search()
    assert clock.seconds_left() == 0.25 * (100 + 4) - 10
    seconds[0] = 7.0
    assert (clock.seconds_left(), clock.refit_seconds()) == (13.0, 13.0)
    short = Clock(Budget(minutes=5.0), 7200.0, 0.0, now=lambda: seconds[0])
    assert short.seconds_for_all() == 60.0, "most of five minutes more is for searching"
    late = Clock(Budget(trials=9), 100.0, 90.0, now=lambda: seconds[0])
    late.end_search()
    assert late.is_up()


def test_refits_have_the_minutes_that_the_search_could_not_use():
    seconds = [0.0]

    def ended(budget, at, is_out_of_minutes):
        seconds[0] = 0.0
        clock = Clock(budget, now=lambda: seconds[0])
        seconds[0] = at
        clock.end_search(is_out_of_minutes)
        return clock.seconds_left()

    assert ended(Budget(minutes=10.0), 400.0, is_out_of_minutes=True) == 200
    assert ended(Budget(minutes=10.0), 400.0, is_out_of_minutes=False) == 100
    assert ended(Budget(minutes=10.0, refit_minutes=1.0), 500.0, is_out_of_minutes=True) == 60


def test_without_a_budget_fifty_trials_run():
    assert Budget().max_trials() == 50
    assert "all its 50 trials" in Budget().spent([0.5] * 50)
    for other in ({"minutes": 1.0}, {"gpu_hours": 1.0}, {"patience": 1}):
        assert Budget(**other).max_trials() == math.inf


def test_the_first_budget_reached_ends_the_search_and_is_named():
    budget = Budget(trials=3, minutes=2.0, gpu_hours=0.5, patience=2)
    assert budget.spent([]) == ""
    assert budget.spent([0.1, 0.2], seconds=119.0, gpu_seconds=1799.0) == ""
    assert budget.spent([0.1, 0.2, 0.3]) == "all its 3 trials have run"
    assert budget.spent([0.1], seconds=120.0) == "its 2 minutes are over"
    assert budget.spent([0.1], gpu_seconds=1800.0) == "its 0.5 GPU-hours are used up"
    assert budget.spent([0.0, 0.0]).startswith("the last 2 trials have not raised")


def test_a_hypervolume_that_hardly_grows_has_stagnated():
    budget = Budget(patience=3)
    assert not budget.spent([0.5, 0.5, 0.5])
    assert not budget.spent([0.5, 0.5, 0.5, 0.501])
    assert budget.spent([0.5, 0.5, 0.5, 0.5005])
    assert budget.spent([0.1, 0.5, 0.5, 0.5, 0.5])
    assert budget.spent([0.0, 0.0, 0.0]), "nothing works: no trial joined the front"


def test_gpus_count_while_they_are_reserved():
    now = 100.0
    meter = GpuMeter(before=7.0, now=lambda: now)
    meter.start(TrialId(0), 2.0)
    now += 10
    meter.start(TrialId(0), 2.0)
    meter.start(TrialId(1), 0.5)
    now += 10
    assert meter.seconds() == 7.0 + 40.0 + 5.0
    meter.end(TrialId(0))
    meter.end(TrialId(2))
    now += 10
    assert meter.seconds() == 7.0 + 40.0 + 10.0
    meter.start(TrialId(0), 2.0)
    now += 1
    meter.end(TrialId(0))
    meter.end(TrialId(1))
    now += 50
    assert meter.seconds() == 7.0 + 42.0 + 10.5
    meter.start(TrialId(3), 2.0, worked=5.0)
    meter.end(TrialId(3))
    assert meter.seconds() == 7.0 + 42.0 + 10.5 + 10.0, "one that ended before it reported"


@pytest.mark.parametrize(
    ("budget", "search_ends", "all_ends"),
    [
        (Budget(minutes=5.0), 240, 300),
        (Budget(minutes=5.0, refit_minutes=2.0), 180, 300),
        (Budget(minutes=5.0, refit_minutes=0), 300, 300),
        (Budget(trials=9), 100, 125),
        (Budget(trials=9, refit_minutes=1.0), 100, 160),
    ],
)
def test_the_end_of_the_time_is_for_refits(budget, search_ends, all_ends):
    seconds = [0.0]
    clock, ends = Clock(budget, now=lambda: seconds[0]), []
    assert clock.refits() == (budget.refit_minutes != 0)
    for second in range(1, all_ends + 1):
        seconds[0] = float(second)
        ended = [0.0] * 9 if second >= 100 else []
        if clock.search_seconds is None and budget.spent(ended, clock.seconds_for_all()):
            ends.append(second)
            clock.end_search()
        assert clock.is_up() == (second >= all_ends)
    assert ends == [search_ends]
