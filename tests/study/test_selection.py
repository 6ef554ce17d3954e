import math
from dataclasses import replace

import pytest
from helpers import known_search
from helpers.small_study import SETTINGS, complete, make_study
from hypothesis import given
from hypothesis import strategies as st

from automl.errors import UserError
from automl.measure.measurement import Measurement
from automl.pareto import Axis
from automl.study import selection
from automl.study.goal import Goal
from automl.study.record import TrialRecord
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult

THREE = replace(
    SETTINGS,
    objectives=("accuracy", "size_bytes", "latency_ms"),
    axes={**SETTINGS.axes, "latency_ms": Axis(1.0, 1e-3, True)},
)


def measured(accuracy, size_bytes, latency_ms):
    figures = Measurement({"accuracy": accuracy}, size_bytes, latency_ms, 1.0)
    return TrialResult(Status.COMPLETE, key="k", measurement=figures)


def test_choosing_by_figure_condition_and_id(tmp_path):
    study = make_study(tmp_path, complete(0.9, 1000), complete(0.95, 4000), complete(0.7, 9000))
    assert selection.choose(study).id.number == 1
    assert selection.choose(study, best="size_bytes").id.number == 0
    assert selection.choose(study, where="size_bytes<=2000").id.number == 0
    assert selection.choose(study, trial="2").id.number == 2


def test_the_knee_is_where_gains_end(tmp_path):
    """On the axes' scales: bytes count by their logarithm."""
    sizes = (100, 1000, 2000, 100_000)
    accuracies = (0.2, 0.9, 0.91, 0.99)
    study = make_study(tmp_path, *map(complete, accuracies, sizes))
    assert selection.choose(study, knee=True).id.number == 1
    assert selection.choose(study, knee=True, where="accuracy>=0.905").id.number == 2


models = st.lists(st.tuples(st.integers(10, 100), st.integers(100, 100_000)), min_size=1)


@given(models, st.data())
def test_what_else_is_on_the_front_does_not_move_the_knee(values, data):
    results = [complete(hits / 100, size) for hits, size in values]
    front = [TrialRecord(TrialId(i), {}, {}, result=result) for i, result in enumerate(results)]
    knee = selection.knee_of(front, SETTINGS.axes)
    others = data.draw(st.lists(st.sampled_from(front), unique_by=lambda record: record.id))
    kept = [record for record in front if record is knee or record in others]
    assert selection.knee_of(kept, SETTINGS.axes) is knee


def test_the_knee_weighs_a_few_microseconds_as_little_as_they_are(tmp_path):
    """As in a search of digits, whose models take 8 to 12 microseconds."""
    axes = {
        "accuracy": Axis(0.103, 1.0),
        "size_bytes": Axis(170_728, 170.728, True),
        "latency_ms": Axis(0.018, 0.000018, True),
    }
    study = make_study(
        tmp_path,
        measured(0.953, 2995, 0.0083),
        measured(0.975, 3673, 0.0123),
        measured(0.983, 34_200, 0.0085),
        settings=replace(THREE, axes=axes),
    )
    assert selection.choose(study, knee=True).id.number == 1


def test_a_factor_of_two_in_cost_is_worth_a_fortieth_of_qualitys_axis(tmp_path):
    axes = {**SETTINGS.axes, "accuracy": Axis(0.0, 1.0)}
    worth = math.log(2) / math.log(1000) / selection.QUALITY_WEIGHT
    assert worth == pytest.approx(1 / 40, rel=0.01)
    for gain, chosen in ((worth - 1e-6, 0), (worth + 1e-6, 1)):
        pair = (complete(0.9, 1000), complete(0.9 + gain, 2000))
        study = make_study(tmp_path / str(chosen), *pair, settings=replace(SETTINGS, axes=axes))
        assert selection.choose(study, knee=True).id.number == chosen


def unsure(accuracy, size_bytes, latency_ms):
    """A model of 359 rows, whose latency is known to a hundredth."""
    error = math.sqrt(accuracy * (1 - accuracy) / 359)
    result = measured(accuracy, size_bytes, latency_ms)
    figures = replace(
        result.measurement, uncertainty={"accuracy": error, "latency_ms": latency_ms / 100}
    )
    return replace(result, measurement=figures)


def test_of_models_that_may_be_equally_good_the_smaller_is_the_best(tmp_path):
    study = make_study(
        tmp_path,
        unsure(0.980, 9000, 0.10),
        unsure(0.977, 5000, 0.14),
        unsure(0.960, 1000, 0.13),
        unsure(0.976, 7000, 0.101),
        settings=THREE,
    )
    assert [record.id.number for record in study.front().members] == [1, 2, 3]
    assert selection.choose(study).id.number == 1
    assert selection.choose(study, best="latency_ms").id.number == 3
    assert selection.choose(study, prefer="accuracy within 0.03").id.number == 2
    assert selection.choose(study, trial="0").id.number == 0


def test_what_alone_meets_a_condition_does_not_give_way_to_what_is_as_good(tmp_path):
    study = make_study(
        tmp_path,
        unsure(0.9916, 34_136, 0.1),
        unsure(0.9889, 6137, 0.1),
        unsure(0.9840, 6100, 0.1),
        settings=THREE,
    )
    assert [record.id.number for record in study.front().members] == [0, 2]
    assert Goal("accuracy>=0.985 and size_bytes<7000", THREE, study.records()).met_by.id.number == 1

    def number(**wish):
        return selection.choose(study, **wish).id.number

    assert number(best="size_bytes", where="accuracy>=0.985") == 1
    assert number(where="accuracy>=0.985, size_bytes<=10000") == 1
    assert number(knee=True, where="accuracy>=0.985") == 1
    assert number(prefer="accuracy>=0.985, size_bytes") == 1
    assert number(prefer="size_bytes") == number(best="size_bytes") == 2


def test_preferences_are_met_in_order_each_up_to_its_tolerance(tmp_path):
    study = make_study(
        tmp_path,
        measured(0.98, 9000, 0.5),
        measured(0.975, 5000, 0.4),
        measured(0.972, 5400, 0.2),
        measured(0.97, 4950, 0.6),
        measured(0.9, 100, 0.05),
        settings=THREE,
    )

    def number(prefer, **more):
        return selection.choose(study, prefer=prefer, **more).id.number

    assert number("accuracy") == 0
    assert number("accuracy within 0.005") == 1
    assert number("accuracy within 0.01") == 3
    assert number("accuracy within 0.01, size_bytes within 10%, latency_ms") == 2
    assert number("accuracy within 0.01,size_bytes within 500,latency_ms") == 2
    assert number("accuracy within 0.01, latency_ms", where="size_bytes<5200") == 1
    assert number("latency_ms within 900%, accuracy") == 0
    assert number("load_ms, size_bytes") == 4


def trained(accuracy, size_bytes, reached):
    """A model, and the accuracy that its training had reached before it was compressed."""
    return replace(complete(accuracy, size_bytes), parent_quality={"accuracy": reached})


def test_wishes_and_conditions_may_be_relative_to_the_reference(tmp_path):
    study = make_study(
        tmp_path,
        trained(0.99, 9000, 0.98),
        trained(0.97, 5000, 0.975),
        trained(0.95, 1000, 0.96),
        trained(0.6, 100, 0.96),
        settings=replace(SETTINGS, reference={"size_bytes": 10_000.0}),
    )

    def number(**wish):
        return selection.choose(study, **wish).id.number

    assert number(best="size_bytes", where="accuracy within 0.01 of reference") == 1
    assert number(where="size_bytes <= 10% of reference") == 2
    assert number(prefer="accuracy within 4% of reference, size_bytes") == 2
    assert number(prefer="accuracy>=0.96, size_bytes") == 1
    assert number(prefer="size_bytes<50, accuracy") == 3, "nothing meets it: the nearest"


def test_what_met_the_goal_is_advised(tmp_path):
    study = make_study(tmp_path, complete(0.9, 1000), complete(0.95, 4000), complete(0.7, 100))
    assert selection.advise(study, study.front().members).why == "the best compromise"
    study.set_attribute("options", {"until": "accuracy>=0.92"})
    advice = selection.advise(study, study.front().members)
    assert (advice.record.id.number, advice.why) == (1, "it meets accuracy >= 0.92")
    assert advice.command == "automl export mine --trial 0001 --out out"


def test_what_is_just_within_a_tolerance_counts(tmp_path):
    study = make_study(tmp_path, complete(0.901, 2000), complete(0.842, 1000))
    assert selection.choose(study, prefer="accuracy within 0.059").id.number == 1


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"best": "acuracy"}, "did you mean 'accuracy'"),
        ({"where": "size_bytes<=10"}, "spans accuracy 0.9 to 0.9, size_bytes 1000 to 1000"),
        ({"where": "size_bytes<=10", "knee": True}, "no model of the front meets"),
        ({"trial": "9"}, "no complete trial '9'"),
        ({"best": "accuracy", "knee": True}, "--best and --knee exclude one another; give one"),
        ({"prefer": "accuracy", "knee": True}, "--knee and --prefer exclude one another"),
        ({"trial": "0", "where": "accuracy>0"}, "--where and --trial exclude one another"),
        ({"best": "train_seconds"}, "unknown figure 'train_seconds'"),
        ({"prefer": "accuracy within"}, "cannot read 'accuracy within': at character 16 nothing"),
        ({"prefer": "accuracy, r2"}, "unknown figure 'r2'"),
        ({"where": "rmse<1"}, "unknown figure 'rmse'"),
        ({"where": "accuracy within 1% of reference"}, "no trial of 'mine' has trained an fp32"),
        ({"prefer": "accuracy within 1% of reference"}, "so the reference's accuracy is not known"),
    ],
)
def test_a_wish_that_cannot_be_met_is_told(tmp_path, wish, sentence):
    study = make_study(tmp_path, complete(0.9, 1000))
    with pytest.raises(UserError, match=sentence):
        selection.choose(study, **wish)


def test_the_member_that_comes_nearest_to_conditions_is_named(tmp_path):
    study = make_study(tmp_path, complete(0.9, 1000), complete(0.95, 4000), complete(0.7, 100))
    nearest = "the nearest is 0001 with accuracy 0.95, size_bytes 4000, and the front spans"
    with pytest.raises(UserError, match=nearest):
        selection.choose(study, where="accuracy>=0.99")
    with pytest.raises(UserError, match="or take --trial 0000"):
        selection.choose(study, where="size_bytes<=1050, accuracy>=0.92")


def test_a_trial_is_named_with_or_without_leading_zeros(tmp_path):
    study = known_search.make(tmp_path)
    for named in ("0003-refit", "3-refit"):
        assert selection.choose(study, trial=named).trial_id == "0003-refit"
    for named in (3, "3", "0003"):
        assert selection.choose(study, trial=named).trial_id == "0003"
    with pytest.raises(UserError, match="--knee and --trial exclude one another"):
        selection.choose(study, trial=0, knee=True)
    for other in (77, "3-", "3-again", "refit"):
        with pytest.raises(UserError, match=f"has no complete trial '{other}'"):
            selection.choose(study, trial=other)


def test_a_study_without_a_model_says_so(tmp_path):
    study = make_study(tmp_path, TrialResult(Status.FAILED, reason="why"))
    with pytest.raises(UserError, match="to take: no trial is complete yet; search longer"):
        selection.choose(study, knee=True)
    study.set_attribute("state", "finished")
    with pytest.raises(UserError, match="1 of 1 ended so: why; mend that, or search longer"):
        selection.choose(study, knee=True)


def test_a_front_that_constraints_keep_empty_says_so(tmp_path):
    settings = replace(SETTINGS, constraints=("size_bytes<=10",))
    study = make_study(tmp_path, complete(0.9, 1000), settings=settings)
    with pytest.raises(UserError, match="no complete trial meets size_bytes <= 10: trial 0000"):
        selection.choose(study, knee=True)
    assert selection.choose(study, trial="0").id.number == 0
