"""The stop rule on made-up reports: what its properties promise, whatever comes."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.study.record import Course
from automl.study.rung_state import Entry, RungName
from automl.study.stopping.rung_ranking import SHARE, Rung, crowding
from automl.study.stopping.stop_rule import StopRule, is_rung
from automl.study.stored_record import courses
from automl.study.trial_id import TrialId

RUNG = RungName("train", "labels", 2)
TRIALS = [TrialId(number) for number in range(100)]
grades = st.integers(0, 4).map(float)
vectors = st.tuples(grades, grades, grades)


def entry(number, values, violation=0.0):
    return Entry(f"key{number}", tuple(map(float, values)), violation)


def test_rungs_are_early_epochs_up_to_half_of_a_training():
    assert [e for e in range(1, 21) if is_rung(e, 20)] == [2, 4, 8]
    assert [e for e in range(1, 101) if is_rung(e, 100)] == [2, 4, 8, 16, 32]


def test_trainings_that_are_too_short_to_gain_are_not_compared():
    assert not [e for e in range(1, 20) if is_rung(e, 19)]


def test_the_best_third_goes_on_and_the_first_one_always():
    rule = StopRule(free=1)
    values = (5, 3, 4, 6, 4.5, 5.5)
    verdicts = [rule.goes_on(TRIALS[i], RUNG, entry(i, (v, 0))) for i, v in enumerate(values)]
    assert verdicts == [True, False, False, True, False, True]


def test_a_rung_ranks_by_dominance_then_by_crowding():
    rung = Rung(free=1)
    for number, values in enumerate([(0, 9), (5, 5), (5.1, 4.9), (9, 0)]):
        rung.add(entry(number, values))
    assert rung.best() == {"key0", "key3"}


def test_what_breaks_no_constraint_goes_before_what_breaks_one():
    rung = Rung(free=2)
    rung.add(entry(0, (9, 9), violation=0.2))
    rung.add(entry(1, (8, 8), violation=0.1))
    rung.add(entry(2, (1, 1)))
    assert rung.best() == {"key1", "key2"}
    assert rung.dominates("key2") == {"key0", "key1"}
    assert rung.dominates("key1") == {"key0"}


@given(st.lists(vectors, min_size=1, max_size=30), st.randoms())
def test_the_order_of_arrival_does_not_matter(values, rng):
    entries = [entry(i, v) for i, v in enumerate(values)]
    shuffled = rng.sample(entries, len(entries))
    found = []
    for ordered in (entries, shuffled):
        rung = Rung(free=1)
        for one in ordered:
            rung.add(one)
        found.append(rung.best())
    assert found[0] == found[1]


@given(st.lists(vectors, min_size=1, max_size=30))
def test_none_of_the_best_is_dominated_by_one_left_behind(values):
    rung = Rung(free=1)
    for i, v in enumerate(values):
        rung.add(entry(i, v))
    best = rung.best()
    assert len(best) == -(-len(values) // SHARE)
    for key in {f"key{i}" for i in range(len(values))} - best:
        assert not rung.dominates(key) & best


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(vectors, st.booleans()), min_size=2, max_size=25))
def test_a_running_trial_dominated_by_a_stopped_one_pauses(course):
    rule, running = StopRule(free=1), set()
    for number, (values, resumes) in enumerate(course):
        if rule.goes_on(TRIALS[number], RUNG, entry(number, values)):
            running.add(number)
        else:
            values_of = {n: course[n][0] for n in running}
            for other, their in values_of.items():
                better = all(a >= b for a, b in zip(values, their)) and values != their
                if better:
                    assert TRIALS[number] in rule.stoppers[TRIALS[other]]
        if resumes and (back := rule.to_resume()) is not None:
            rule.resume(back)
            running.add(back.number)
    for number in list(running):
        stoppers = set(rule.stoppers.get(TRIALS[number], ()))
        assert stoppers <= set(rule.paused)
        assert rule.goes_on(TRIALS[number]) == (not stoppers)


def test_a_stopped_trial_that_goes_on_pauses_none_any_more():
    rule = StopRule(free=1)
    assert rule.goes_on(TRIALS[0], RUNG, entry(0, (1, 1)))
    assert not rule.goes_on(TRIALS[1], RUNG, entry(1, (0, 5)))
    assert rule.to_resume() is None
    assert not rule.goes_on(TRIALS[2], RUNG, entry(2, (0, 4)))
    assert not rule.goes_on(TRIALS[3], RUNG, entry(3, (0, 3)))
    assert rule.to_resume() == TRIALS[1]
    rule.resume(TRIALS[1])
    assert rule.goes_on(TRIALS[1])
    assert rule.to_resume() is None


def test_a_resumed_trial_does_not_fill_a_rung_twice():
    rule = StopRule(free=1)
    for number, values in enumerate([(1, 1), (0, 5), (0, 4), (0, 3)]):
        rule.goes_on(TRIALS[number], RUNG, entry(number, values))
    back = rule.to_resume()
    rule.resume(back)
    rule.goes_on(back, RUNG, entry(back.number, (9, 9)))
    assert len(rule.rungs[RUNG]) == 4


def test_a_checkpoint_that_was_judged_is_not_judged_again():
    rule = StopRule(free=1)
    rule.goes_on(TRIALS[0], RUNG, entry(0, (5, 5)))
    assert not rule.goes_on(TRIALS[1], RUNG, entry(1, (1, 1)))
    assert rule.goes_on(TRIALS[2], RUNG, Entry("key1", (1.0, 1.0)))
    assert len(rule.rungs[RUNG]) == 2


def test_the_first_few_are_compared_with_none():
    rule = StopRule(free=3)
    verdicts = [rule.goes_on(TRIALS[i], RUNG, entry(i, (9 - i, 0))) for i in range(5)]
    assert verdicts == [True, True, True, False, False]


@given(st.lists(vectors, min_size=1, max_size=20))
def test_a_rule_restored_from_its_states_gives_the_same_verdicts(values):
    rule, states = StopRule(free=1), {}
    for number, v in enumerate(values):
        rule.goes_on(TRIALS[number], RUNG, entry(number, v))
        for changed in rule.changed:
            course = courses().dump_python(Course(rungs=rule.state(changed)), mode="json")
            read = courses().validate_python(json.loads(json.dumps(course)))
            states[changed] = read.rungs
        rule.changed.clear()
    running = set(rule.running)
    again = StopRule(free=1)
    again.restore(states, running, rule.paused)
    assert again.paused == rule.paused
    assert again.to_resume() == rule.to_resume()
    assert again.running == rule.running and again.stoppers == rule.stoppers
    new = entry(99, (2, 2, 2))
    assert again.goes_on(TRIALS[99], RUNG, new) == rule.goes_on(TRIALS[99], RUNG, new)


def test_equal_places_have_equal_room():
    room = crowding(np.array([[0.0, 1.0], [0.5, 0.5], [0.5, 0.5], [1.0, 0.0]]))
    assert room[1] == room[2] == pytest.approx(2.0)
    assert np.isinf(room[[0, 3]]).all()
