import copy

import pytest

from automl.trial.time_limit import Countdown, Pace, TimeLimit, TrialTime

NOW = [0.0]


def limit(left, fair, **others):
    NOW[0] = 0.0
    return TimeLimit(Countdown(left, now=lambda: NOW[0]), fair, **others)


def test_a_countdown_that_is_sent_has_the_seconds_that_are_left_then():
    countdown = Countdown(100.0, now=lambda: NOW[0])
    NOW[0] += 60.0
    # A copy is made as a sent one is, from what `__reduce__` gives.
    arrived = copy.copy(countdown)
    assert arrived.seconds_left() == pytest.approx(40.0, abs=1.0)


@pytest.mark.parametrize(("left", "seconds"), [(1000, 100), (151, 100), (149, 149), (-5, 0)])
def test_a_trial_has_a_fair_share_or_all_that_is_left(left, seconds):
    assert limit(left, 100).seconds() == seconds


def test_what_finishing_takes_is_kept_from_the_trainings():
    own_time = TrialTime(limit(1000, 100, finishing_seconds=30))
    NOW[0] = 20.0
    assert own_time.training_seconds_left() == 50
    slow = TrialTime(limit(1000, 100, finishing_seconds=80))
    assert slow.training_seconds_left() == 50, "half of the time is for training at least"


def test_the_pace_counts_from_the_second_batch_on():
    pace = Pace(TrialTime(limit(10_000, 100)), 1000.0, 2000.0, may_shorten=True)
    for second, done in ((0, 0.0), (50, 0.0), (90, 0.01)):
        NOW[0] = second
        assert pace.goes_on(done) and not pace.seconds_per_pass
    NOW[0] = 92.0
    assert not pace.goes_on(0.03) and pace.is_too_slow
    assert pace.seconds_per_pass == pytest.approx(2 / 20)


def test_a_training_that_goes_on_from_a_checkpoint_is_not_begun_again():
    pace = Pace(TrialTime(limit(10_000, 100)), 1000.0, 2000.0, may_shorten=True)
    for second, done in ((0, 0.0), (5, 0.5), (50, 0.51)):
        NOW[0] = second
        assert pace.goes_on(done)
    assert pace.seconds_per_pass and not pace.is_too_slow
    NOW[0] = 10_000.0
    assert not pace.goes_on(0.6) and pace.is_cut


def test_what_trains_in_rounds_has_no_pace_before_more_of_it_is_done():
    """Where one round has more epochs than were planned, the share that is done falls."""
    pace = Pace(TrialTime(limit(10_000, 100)), 1000.0, 2000.0, may_shorten=False)
    for second, done in ((0, 0.4), (10, 0.4), (20, 0.3)):
        NOW[0] = second
        assert pace.goes_on(done) and not pace.seconds_per_pass
    NOW[0] = 30.0
    assert pace.goes_on(0.5) and pace.seconds_per_pass == pytest.approx(30 / 100)


def test_a_training_that_was_cut_stays_at_what_was_done():
    pace = Pace(TrialTime(limit(100, 100)), 1000.0, 2000.0, may_shorten=False)
    assert pace.goes_on(0.2)
    NOW[0] = 100.0
    assert not pace.goes_on(0.25) and not pace.goes_on(0.5)
    assert pace.is_cut and pace.done == 0.25
