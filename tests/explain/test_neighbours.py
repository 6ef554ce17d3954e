from helpers.small_study import SETTINGS, complete

from automl.explain.neighbours import neighbours
from automl.study.record import TrialRecord
from automl.study.trial_id import TrialId


def test_the_nearest_better_model_in_each_objective_is_beside_it():
    sizes, accuracies = (100, 1000, 2000, 20_000), (0.5, 0.9, 0.92, 0.99)
    front = [
        TrialRecord(TrialId(i), {}, {}, result=complete(accuracy, size))
        for i, (accuracy, size) in enumerate(zip(accuracies, sizes))
    ]
    better, smaller = neighbours(SETTINGS, front[1], front)
    assert (better.better, better.trial_id) == ("accuracy", "0002")
    assert (smaller.better, smaller.trial_id) == ("size_bytes", "0000")
    assert better.figures == front[2].values
    assert [one.better for one in neighbours(SETTINGS, front[3], front)] == ["size_bytes"]
    assert neighbours(SETTINGS, front[0], front[:1]) == []
    dominated = TrialRecord(TrialId(9), {}, {}, result=complete(0.4, 20_000))
    assert {one.better for one in neighbours(SETTINGS, dominated, front)} == {
        "accuracy",
        "size_bytes",
    }
