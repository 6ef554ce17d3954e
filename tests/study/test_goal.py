import math
from dataclasses import replace

import pytest
from helpers.small_study import SETTINGS, complete

from automl.conditions import parse
from automl.study.front import Front
from automl.study.goal import REFERENCE, Goal, needs_training
from automl.study.record import TrialRecord
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult

WIDEST = {"model.widths.0": 64}
RELATIVE = "accuracy within 1% of reference and size_bytes <= 50% of reference"
KNOWN = replace(SETTINGS, reference={"size_bytes": 10_000.0})


def ended(number, accuracy, size_bytes, reached=None, **params):
    """A complete trial, and the accuracy that its training had reached, if it trained."""
    result = complete(accuracy, size_bytes)
    result = replace(result, parent_quality={} if reached is None else {"accuracy": reached})
    return TrialRecord(TrialId(number), params, {}, result=result)


def test_the_first_model_that_meets_every_condition_meets_the_goal():
    goal = Goal("accuracy>=0.9 and size_bytes<=1000", SETTINGS)
    for number, figures in enumerate([(0.95, 1001), (0.89, 500), (0.9, 1000), (0.99, 10)]):
        assert goal.ending() == ""
        goal.take(ended(number, *figures))
        if number == 2:
            break
    assert goal.met_by.trial_id == "0002"
    assert goal.ending() == (
        "trial 0002 meets accuracy >= 0.9 and size_bytes <= 1000 (accuracy 0.9, size_bytes 1000)"
    )
    assert goal.missed() == ""


def test_a_goal_that_was_not_met_names_what_came_nearest():
    goal = Goal("accuracy>=0.9 and size_bytes<=1000", SETTINGS)
    assert goal.missed() == "no model meets accuracy >= 0.9 and size_bytes <= 1000"
    for number, figures in enumerate([(0.95, 2000), (0.89, 1010), (0.8, 10)]):
        goal.take(ended(number, *figures))
    assert goal.missed().endswith("trial 0001 comes nearest (accuracy 0.89, size_bytes 1010)")


def test_what_comes_nearest_to_a_goal_comes_nearest_to_the_constraints_too():
    goal = Goal("accuracy>=0.9", replace(SETTINGS, constraints=("size_bytes<=1000",)))
    for number, figures in enumerate([(0.95, 5000), (0.85, 900)]):
        goal.take(ended(number, *figures))
    assert goal.missed() == (
        "no model meets accuracy >= 0.9 and size_bytes <= 1000: trial 0001 comes nearest "
        "(accuracy 0.85, size_bytes 900)"
    )


def test_a_model_that_breaks_a_constraint_meets_no_goal():
    goal = Goal("accuracy>=0.9", replace(SETTINGS, constraints=("size_bytes<=1000",)))
    goal.take(ended(0, 0.95, 2000))
    assert goal.met_by is None
    goal.take(ended(1, 0.95, 999))
    assert goal.met_by.id.number == 1


def test_without_conditions_there_is_no_goal():
    for text in (None, "", "  "):
        goal = Goal(text, SETTINGS, [ended(0, 0.9, 10)])
        assert (goal.met_by, goal.ending(), goal.missed(), goal.wanted()) == (None, "", "", "")


def test_a_relative_goal_waits_until_the_reference_is_trained():
    """Else a poor first training would be its own reference."""
    goal = Goal(RELATIVE, replace(KNOWN, reference_params=WIDEST))
    assert goal.wanted().endswith(REFERENCE)
    goal.take(ended(0, 0.6, 900, reached=0.6))
    assert goal.met_by is None
    assert "is not known: the reference was not trained" in goal.missed()
    stopped = TrialResult(Status.STOPPED)
    goal.take(TrialRecord(TrialId(1), WIDEST, {}, result=stopped))
    assert goal.met_by is None, "what was stopped has reached nothing that is known"
    goal.take(ended(2, 0.95, 9000, reached=0.96, **WIDEST))
    assert goal.met_by is None
    goal.take(ended(3, 0.94, 900, reached=0.97))
    assert "trial 0002 comes nearest" not in goal.missed()
    goal.take(ended(4, 0.9603, 900, reached=0.96))
    assert goal.met_by.id.number == 4
    assert goal.ending().endswith(
        "(accuracy 0.9603, which must be >= 0.9603, size_bytes 900, which must be <= 5000)"
    )


def test_an_earlier_trial_may_turn_out_to_have_been_enough():
    goal = Goal(RELATIVE, replace(KNOWN, reference_params=WIDEST))
    goal.take(ended(1, 0.96, 900, reached=0.96))
    goal.take(ended(0, 0.9, 9000, reached=0.965, **WIDEST))
    assert goal.met_by.id.number == 1


def test_a_reference_that_was_rejected_after_its_training_is_known_all_the_same():
    goal = Goal(RELATIVE, replace(KNOWN, reference_params=WIDEST))
    rejected = TrialResult(Status.REJECTED, "no smaller", parent_quality={"accuracy": 0.9})
    goal.take(TrialRecord(TrialId(0), WIDEST, {}, result=rejected))
    goal.take(ended(1, 0.9, 900))
    assert goal.met_by.id.number == 1


@pytest.mark.parametrize("reached", [math.nan, math.inf])
def test_a_figure_that_is_no_finite_number_is_none_of_the_reference(reached):
    settings = replace(KNOWN, reference_params=WIDEST, constraints=("accuracy>=99% of reference",))
    rejected = TrialResult(Status.REJECTED, "no number", parent_quality={"accuracy": reached})
    records = [TrialRecord(TrialId(0), WIDEST, {}, result=rejected), ended(1, 0.95, 900, 0.95)]
    goal, front = Goal(RELATIVE, settings, records), Front(settings, records)
    assert goal.reference.figures["accuracy"] == front.reference.figures["accuracy"] == 0.95
    assert goal.met_by is records[1] and front.members == records[1:]


def test_a_module_that_came_trained_needs_no_training():
    came = replace(KNOWN, reference={"size_bytes": 1e4, "accuracy": 0.9})
    assert needs_training(parse(RELATIVE), {})
    assert not needs_training(parse(RELATIVE), came.reference)
    assert not needs_training(parse("accuracy>0.9 and latency_ms<10% of reference"), {})
    assert Goal(RELATIVE, came, [ended(0, 0.892, 900)]).met_by
    assert not Goal(RELATIVE, came, [ended(0, 0.892, 900, reached=0.92)]).met_by


@pytest.mark.parametrize("text", ["accuracy within 1% of reference", "accuracy>=99% of reference"])
def test_a_constraint_by_the_reference_rises_with_it(text):
    settings = replace(SETTINGS, constraints=(text,))
    front = Front(settings)
    front.add(ended(0, 0.8, 500))
    assert len(front.members) == 1, "nothing is known of the reference"
    front.add(ended(1, 0.9, 900, reached=0.9))
    assert [record.id.number for record in front.members] == [1]
    front.add(ended(2, 0.88, 100, reached=0.85))
    assert [record.id.number for record in front.members] == [1]
    volume = front.hypervolume
    front.add(ended(3, 0.97, 5000, reached=0.97))
    assert [record.id.number for record in front.members] == [3]
    assert 0 < front.hypervolume < volume
    again = Front(settings, [ended(3, 0.97, 5000, 0.97), ended(1, 0.9, 900, 0.9)])
    assert [record.id.number for record in again.members] == [3]


def test_bytes_relative_to_the_reference_are_known_from_the_start():
    settings = replace(KNOWN, constraints=("size_bytes<=10% of reference",))
    assert settings.limits == [("size_bytes", "<=", 1000.0)]
    front = Front(settings, [ended(0, 0.9, 1001), ended(1, 0.8, 1000)])
    assert [record.id.number for record in front.members] == [1]


def test_a_reference_that_breaks_a_constraint_is_known_and_on_no_front():
    settings = replace(KNOWN, constraints=("size_bytes<=4000",), reference_params=WIDEST)
    largest = replace(ended(0, 0.99, 9000, reached=0.99), params=WIDEST)
    records = [largest, ended(1, 0.985, 3000, reached=0.985)]
    assert [record.id.number for record in Front(settings, records).members] == [1]
    assert Goal(RELATIVE, settings, records[:1]).met_by is None
    assert Goal(RELATIVE, settings, records).met_by is records[1]
