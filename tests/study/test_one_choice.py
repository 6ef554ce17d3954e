from dataclasses import replace

from helpers.small_study import SETTINGS, complete

from automl.study.one_choice import one_choice_pairs
from automl.study.record import TrialRecord
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult


def record(number, figures, **params):
    params = {path.replace("__", "."): value for path, value in params.items()}
    return TrialRecord(TrialId(number), params, {}, result=complete(*figures))


def test_pairs_that_differ_in_one_choice_are_found_the_widest_first():
    records = [
        record(0, (0.9, 1000), bits=8, width=32),
        record(1, (0.89, 900), bits=4, width=32),
        record(2, (0.5, 800), bits=2, width=32),
        record(3, (0.91, 1100), bits=8, width=64),
        record(4, (0.2, 100), bits=1, width=16),
    ]
    bits, width = one_choice_pairs(SETTINGS, records)
    assert (bits.path, bits.trials, bits.values, bits.num_pairs) == (
        *("bits", ["0000", "0002"], [8, 2]),
        3,
    )
    assert bits.figures == [records[0].values, records[2].values]
    assert (width.path, width.trials, width.num_pairs) == ("width", ["0000", "0003"], 1)


def test_what_stands_below_a_choice_belongs_to_it():
    records = [
        record(0, (0.9, 1000), model="MLP", model__MLP__width=8, epochs=2),
        record(1, (0.95, 2000), model="ConvNet", model__ConvNet__width=16, epochs=2),
        record(2, (0.95, 2000), model="ConvNet", model__ConvNet__width=32, epochs=2),
    ]
    found = {pair.path: pair.trials for pair in one_choice_pairs(SETTINGS, records)}
    assert found == {"model": ["0000", "0001"], "model.ConvNet.width": ["0001", "0002"]}


def test_the_settings_of_a_step_that_one_of_them_lacks_follow_from_its_choice():
    records = [
        record(0, (0.9, 1000), shrink="prune-tune", prune__fraction=0.5, tune__rate=0.1, bits=8),
        record(1, (0.9, 2000), shrink="None", bits=8),
        record(2, (0.8, 500), shrink="prune-tune", prune__fraction=0.7, tune__rate=0.2, bits=8),
    ]
    (found,) = one_choice_pairs(SETTINGS, records)
    assert (found.path, found.values, found.num_pairs) == ("shrink", ["None", "prune-tune"], 2)


def test_trials_without_a_model_and_repeated_ones_make_no_pair():
    failed = replace(record(1, (0.9, 9), bits=4), result=TrialResult(Status.FAILED, "why"))
    assert one_choice_pairs(SETTINGS, [record(0, (0.9, 9), bits=8), failed]) == []
    assert (
        one_choice_pairs(SETTINGS, [record(0, (0.9, 9), bits=8), record(2, (0.9, 9), bits=8)]) == []
    )
