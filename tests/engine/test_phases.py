"""A search of two trials, acted out: what is due in each of its phases."""

from dataclasses import replace

import pytest
from helpers.made_up_world import Bound
from helpers.small_study import SETTINGS

from automl.engine.phases import FIRST_TRIALS, GOAL_MET, Phase, Phases
from automl.engine.refit import Refitter
from automl.measure.measurement import Measurement
from automl.recipe import Report
from automl.space import space_file
from automl.study.background import Immediately
from automl.study.budget import Budget, Clock
from automl.study.dispatcher import Dispatcher, DispatcherOptions
from automl.study.study import Study, create
from automl.trial.result import Status, TrialResult
from automl.trial.time_limit import NO_TIME, TIME_UP

TEXT = """
from automl import MLP, Int, Sklearn, Space, Train, TrialConfig

space = Space(
    TrialConfig(Sklearn("digits"), MLP((Int(8, 64),)), (Train(epochs=1),)),
    ("accuracy", "size_bytes"),
)
"""


NOW = [0.0]


@pytest.fixture
def phases(tmp_path):
    def phases(lengthen=False, **budget):
        NOW[0] = 0.0
        folder, space = tmp_path / "s", space_file.load(TEXT)
        study = Study(folder) if folder.exists() else create(folder, SETTINGS, TEXT, {"": b""})
        budget = Budget(**budget)
        options = DispatcherOptions(
            2, 2, budget.max_trials(), lengthen=lengthen, thread=Immediately
        )
        dispatcher = Dispatcher(study, space, "", lambda key: False, Bound, options)
        under_way = dispatcher.under_way
        refitter = Refitter(
            study,
            dispatcher.writing,
            under_way.keys,
            lambda record: under_way.config(record.params),
            lambda key, name: None,
        )
        return Phases(dispatcher, refitter, Clock(budget, now=lambda: NOW[0]))

    return phases


def complete(trial):
    """Each trial is smaller and worse than the one before: all are on the front."""
    figures = {"accuracy": 0.9 - trial.number / 10}
    measured = Measurement(figures, 1000 - 100 * trial.number, 1.0, 1.0)
    return TrialResult(Status.COMPLETE, key="k", measurement=measured, seconds=1.0)


def test_trials_come_first_then_the_refits_of_the_front_then_nothing(phases):
    phases = phases(trials=2, refit_minutes=1.0)
    first, second = phases.next_trial(), phases.next_trial()
    assert phases.phase is Phase.SEARCHING and phases.next_trial() is None
    phases.end(first.id, complete(first.id))
    phases.end(second.id, complete(second.id))
    assert phases.phase is Phase.REFITTING
    refits = [phases.next_trial(), phases.next_trial()]
    assert {refit.id for refit in refits} == {first.id.refit, second.id.refit}
    assert phases.config_of(refits[0].id).recipe[0].epochs == 2
    assert phases.goes_on(refits[0].id, Report("train", 1, 2, {}), 1.0)
    for refit in refits:
        assert not phases.is_over()
        phases.end(refit.id, complete(refit.id))
    assert phases.phase is Phase.OVER and phases.next_trial() is None
    assert len(phases.hypervolumes) == 2, "refits are not counted among the trials"


def test_a_slot_that_no_trial_is_left_for_refits_while_the_last_trial_runs(phases):
    phases = phases(trials=2)
    first, second = phases.next_trial(), phases.next_trial()
    assert phases.next_trial() is None
    phases.end(first.id, complete(first.id))
    refit = phases.next_trial()
    assert refit.id == first.id.refit and phases.phase is Phase.SEARCHING
    phases.end(refit.id, complete(first.id))
    assert phases.next_trial() is None, "there is no other member of the front"
    NOW[0] = 100.0
    phases.end(second.id, complete(second.id))
    assert phases.phase is Phase.REFITTING
    assert phases.next_trial().id == second.id.refit


@pytest.mark.parametrize("asked", [None, 1.0])
def test_refits_that_run_end_unless_their_time_was_asked_for(phases, asked):
    phases = phases(trials=1, refit_minutes=asked)
    trial = phases.next_trial()
    NOW[0] = 10.0
    phases.end(trial.id, complete(trial.id))
    assert phases.next_trial().id == trial.id.refit
    NOW[0] = 100.0
    assert phases.should_stop(lambda: False) == (asked is not None)
    assert phases.next_trial() is None and not phases.is_over()


def test_running_trials_give_way_to_refits(phases):
    phases = phases(patience=1, refit_minutes=1.0)
    first, second = phases.next_trial(), phases.next_trial()
    assert not phases.gives_way(second.id)
    phases.end(first.id, TrialResult(Status.FAILED, reason="why"))
    assert phases.gives_way(second.id) and not phases.gives_way(second.id.refit)
    assert phases.unfinished() == [second.id]
    stopped = phases.end(second.id, phases.stopped(second.id, 3.0))
    assert (stopped.result.status, stopped.result.reason) == (Status.STOPPED, TIME_UP)
    assert phases.phase is Phase.REFITTING and phases.next_trial() is None
    assert phases.phase is Phase.OVER, "the front is empty"


def test_without_time_for_refits_the_search_is_over_when_its_trials_are(phases):
    phases = phases(trials=1, refit_minutes=0)
    trial = phases.next_trial()
    assert not phases.should_stop(lambda: False) and phases.should_stop(lambda: True)
    phases.end(trial.id, complete(trial.id))
    assert phases.is_over() and phases.next_trial() is None


def test_a_model_that_meets_the_goal_ends_search_and_refits(phases):
    phases = phases(trials=9, until="accuracy>=0.75 and size_bytes<=900")
    first, second = phases.next_trial(), phases.next_trial()
    phases.end(first.id, complete(first.id))
    assert phases.phase is Phase.SEARCHING and not phases.why_over()
    phases.end(second.id, complete(second.id))
    assert phases.is_over() and phases.next_trial() is None
    assert phases.should_stop(lambda: False)
    said = "trial 0001 meets accuracy >= 0.75 and size_bytes <= 900 (accuracy 0.8, size_bytes 900)"
    assert phases.why_over() == said


def test_what_runs_when_the_goal_is_met_is_stopped_for_that(phases):
    phases = phases(trials=9, until="accuracy>=0.85")
    first, second = phases.next_trial(), phases.next_trial()
    phases.end(first.id, complete(first.id))
    assert phases.gives_way(second.id)
    stopped = phases.end(second.id, phases.stopped(second.id))
    assert stopped.result.reason == GOAL_MET
    assert phases.is_over()


def test_a_refit_may_meet_the_goal(phases):
    phases = phases(trials=1, refit_minutes=1.0, until="size_bytes<1000")
    trial = phases.next_trial()
    phases.end(trial.id, complete(trial.id))
    refit = phases.next_trial()
    assert refit.id == trial.id.refit and not phases.why_over().startswith("trial")
    phases.end(
        refit.id,
        TrialResult(Status.COMPLETE, measurement=Measurement({"accuracy": 0.5}, 9, 1.0, 1.0)),
    )
    assert phases.is_over() and phases.why_over().startswith("trial 0000-refit meets")


def failing(phases, reasons):
    """Trials of a search that fail, one after the other, as long as there are some."""
    for reason in reasons:
        record = phases.next_trial()
        if record is None:
            return
        phases.end(record.id, TrialResult(Status.FAILED, reason=reason))


def test_a_search_whose_first_trials_all_fail_alike_ends(phases):
    phases = phases(trials=20)
    failing(phases, [f"ValueError: no {number} units\nat all" for number in range(9)])
    assert len(phases.hypervolumes) == FIRST_TRIALS
    assert phases.why_hopeless() == "ValueError: no 0 units\nat all"
    assert phases.should_stop(lambda: False) and phases.next_trial() is None
    assert not phases.is_over(), "the search may be resumed"


def test_one_other_end_among_the_first_trials_is_enough_to_go_on(phases):
    differing = phases(trials=20)
    failing(differing, [*["one reason"] * 7, *["another reason"] * 9])
    assert not differing.why_hopeless() and len(differing.hypervolumes) == 16


def test_a_search_that_had_a_model_is_not_given_up(phases):
    phases = phases(trials=20)
    trial = phases.next_trial()
    phases.end(trial.id, complete(trial.id))
    failing(phases, ["one reason"] * 12)
    assert not phases.why_hopeless()


def test_a_resumed_search_counts_its_failures_anew(phases):
    first = phases(trials=20)
    failing(first, ["one reason"] * 9)
    again = phases(trials=20)
    failing(again, ["one reason"] * 7)
    assert not again.why_hopeless() and len(again.hypervolumes) == 15
    failing(again, ["one reason"])
    assert again.why_hopeless()


def test_trials_that_time_cuts_off_are_waited_for(phases):
    phases = phases(minutes=10.0, refit_minutes=0)
    first, second = phases.next_trial(), phases.next_trial()
    limit = phases.time_limit(first.id)
    assert limit.fair_seconds == 120 and limit.finishing_seconds == 30
    NOW[0] = 599.0
    assert not phases.gives_way(first.id)
    NOW[0] = 605.0
    assert phases.phase is Phase.REFITTING and not phases.gives_way(first.id)
    assert not phases.should_stop(lambda: False), "they have some time to finish"
    phases.end(first.id, complete(first.id))
    phases.end(second.id, complete(second.id))
    assert phases.is_over()


def test_refits_have_the_minutes_that_no_other_trial_could_use(phases):
    phases = phases(minutes=10.0)
    first = phases.next_trial()
    phases.time_limit(first.id)
    NOW[0] = 350.0
    phases.end(first.id, replace(complete(first.id), seconds=349.0))
    assert phases.phase is Phase.REFITTING
    assert phases.clock.seconds_left() == 250


def test_one_that_takes_too_long_to_finish_is_stopped(phases):
    phases = phases(minutes=10.0, refit_minutes=0)
    first = phases.next_trial()
    NOW[0] = 605.0
    assert phases.phase is Phase.REFITTING
    NOW[0] = 661.0
    assert phases.gives_way(first.id) and phases.should_stop(lambda: False)


def test_no_trial_starts_that_cannot_end(phases):
    phases = phases(minutes=10.0, refit_minutes=0)
    first, second = phases.next_trial(), phases.next_trial()
    NOW[0] = 570.0
    phases.end(first.id, replace(complete(first.id), seconds=570.0))
    assert phases.next_trial() is None and phases.phase is Phase.SEARCHING
    phases.end(second.id, replace(complete(second.id), seconds=570.0))
    assert phases.why_over() == "the time left is too short for another trial"
    assert phases.is_over()


def test_a_refit_has_the_time_that_is_left(phases):
    limited = phases(minutes=10.0, trials=1)
    trial = limited.next_trial()
    NOW[0] = 10.0
    limited.end(trial.id, complete(trial.id))
    refit = limited.next_trial()
    limit = limited.time_limit(refit.id)
    assert limit.fair_seconds == limited.clock.seconds_left() == 2.5


def test_without_limited_time_nothing_is_limited(phases):
    phases = phases(trials=1)
    trial = phases.next_trial()
    NOW[0] = 10.0
    assert phases.time_limit(trial.id) is None
    phases.end(trial.id, complete(trial.id))
    assert phases.time_limit(phases.next_trial().id) is None


def test_a_search_without_time_for_any_trial_is_given_up(phases):
    phases = phases(minutes=2.0)
    for number in range(FIRST_TRIALS):
        record = phases.next_trial()
        reason = f"{NO_TIME}: an epoch takes about {number} s"
        phases.end(record.id, TrialResult(Status.STOPPED, reason=reason))
    assert phases.why_hopeless().startswith(NO_TIME)


def test_a_resumed_search_with_more_time_makes_the_shortened_front_in_full(phases):
    before = phases(trials=2)
    first, second = before.next_trial(), before.next_trial()
    before.end(first.id, replace(complete(first.id), shortened="train 1 of 9 epochs"))
    before.end(second.id, complete(second.id))
    before.dispatcher.close()
    again = phases(lengthen=True, trials=4)
    assert again.next_trial().params == first.params
    assert again.next_trial().params not in (first.params, second.params)
