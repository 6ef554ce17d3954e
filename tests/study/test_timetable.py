"""The time that trials get, on a clock that the tests move."""

import math
from dataclasses import replace

import pytest

from automl.measure.measurement import Measurement
from automl.study.budget import Budget, Clock, GpuMeter
from automl.study.timetable import Timetable
from automl.trial.result import Status, TrialResult

NOW = [0.0]


@pytest.fixture
def timetable():
    def timetable(gpus=0.0, **budget):
        NOW[0] = 0.0
        clock = Clock(Budget(**budget), now=lambda: NOW[0])
        return Timetable(clock, GpuMeter(now=lambda: NOW[0]), gpus)

    return timetable


def complete(seconds, **stages):
    measured = Measurement({"accuracy": 0.9}, 100, 1.0, 1.0)
    return TrialResult(Status.COMPLETE, measurement=measured, seconds=seconds, stages=stages)


def test_without_a_limit_of_time_no_trial_is_limited(timetable):
    unlimited = timetable(trials=9)
    assert not unlimited.is_limited and unlimited.limit(2, 9) is None
    assert unlimited.is_worth_starting(2) and unlimited.training_seconds() == math.inf
    assert unlimited.grace_seconds() == 0


def test_a_trial_has_a_fifth_of_the_time_before_the_refits(timetable):
    nine = timetable(minutes=10)
    limit = nine.limit(2, math.inf)
    assert limit.fair_seconds == 480 / 5
    assert limit.seconds() == pytest.approx(480 / 5, abs=1)
    assert limit.finishing_seconds == 24
    assert limit.left.seconds_left() == pytest.approx(480 - 24, abs=1)


def test_few_trials_have_more_time_each(timetable):
    assert timetable(minutes=10, trials=2).limit(2, 2).fair_seconds == 480
    assert timetable(minutes=10, trials=6).limit(2, 6).fair_seconds == 160
    assert timetable(minutes=10, trials=60).limit(2, 60).fair_seconds == 96


def test_the_last_trial_has_what_is_left(timetable):
    short = timetable(minutes=10, refit_minutes=0)
    short.limit(2, math.inf)
    NOW[0] = 450.0
    limit = short.limit(2, math.inf)
    assert limit.fair_seconds == 120 and limit.seconds() == pytest.approx(120, abs=1)


def test_gpu_hours_are_time_by_the_slots(timetable):
    limit = timetable(gpus=1.0, gpu_hours=1.0).limit(2, math.inf)
    assert limit.fair_seconds == 360
    assert timetable(gpus=0.5, gpu_hours=1.0, minutes=5).limit(1, math.inf).fair_seconds == 48


def test_what_trials_took_says_whether_another_is_worth_it(timetable):
    short = timetable(minutes=10, refit_minutes=0)
    short.limit(2, math.inf)
    for seconds in (50.0, 60.0, 70.0):
        short.learn(complete(seconds, train=seconds - 12, export=2.0))
    assert short.limit(2, math.inf).finishing_seconds == 12
    assert short.training_seconds() == 120 - 12
    NOW[0] = 557.0
    assert short.is_worth_starting(2) and not short.is_finishing(2)
    assert short.limit(2, math.inf).least_seconds == 30
    NOW[0] = 559.0
    assert not short.is_worth_starting(2)
    NOW[0] = 610.0
    assert short.is_finishing(2)
    NOW[0] = 625.0
    assert not short.is_finishing(2)


def test_the_end_is_expected_by_the_time_or_by_the_trials(timetable):
    assert timetable(trials=9).expected_seconds(2, 9) == math.inf
    timed = timetable(minutes=10)
    assert timed.expected_seconds(2, math.inf) == 480
    timed.learn(complete(20.0))
    assert timed.expected_seconds(2, 10) == 100


def test_a_refit_has_the_time_that_is_left_for_its_kind(timetable):
    timed = timetable(minutes=10)
    timed.limit(2, math.inf)
    of_20_seconds = complete(15.0, train=12.0, export=2.0)
    of_20_seconds = replace(of_20_seconds, reused_seconds=5.0)
    assert timed.refit_limit(100.0, of_20_seconds, rounds=1).fair_seconds == 100
    several = timed.refit_limit(100.0, of_20_seconds, rounds=4)
    assert several.fair_seconds == 40 and not several.takes_stored
    assert timed.refit_limit(100.0, None, rounds=4).fair_seconds == 25


def test_a_refit_finishes_as_its_trial_did_whatever_others_took(timetable):
    timed = timetable(minutes=10)
    timed.limit(2, math.inf)
    timed.learn(complete(300.0, train=10.0, export=290.0))
    limit = timed.refit_limit(100.0, complete(15.0, train=12.0, export=2.0), rounds=2)
    assert limit.finishing_seconds == 3
    assert limit.left.seconds_left() == pytest.approx(97, abs=1)


def test_one_slow_trial_leaves_others_time_to_train(timetable):
    timed = timetable(minutes=10)
    timed.limit(2, math.inf)
    timed.learn(complete(300.0, train=10.0, export=290.0))
    assert timed.limit(2, math.inf).finishing_seconds == 480 / 5 / 2
