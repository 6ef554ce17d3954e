from automl.study.record import TrialRecord
from automl.study.trial_id import TrialId
from automl.tracking.pages import sample
from automl.tracking.pages.findings import DOMINATED, FRONT, Point


def points(count):
    for number in range(count):
        group = DOMINATED if number % 50 else FRONT
        yield Point(TrialRecord(TrialId(number), {}, {}), group, {"accuracy": 1.0})


def test_of_many_trials_the_front_and_some_others_are_drawn():
    known = list(points(5000))
    drawn = sample.sampled(known)
    numbers = [point.record.id.number for point in drawn]
    assert len(drawn) == sample.MOST_DRAWN and numbers == sorted(numbers)
    assert sum(point.group == FRONT for point in drawn) == 100
    assert max(after - before for before, after in zip(numbers, numbers[1:])) <= 4
    assert sample.told(known).startswith("2,000 of 5,000 are drawn")


def test_few_trials_are_all_drawn():
    known = list(points(2000))
    assert sample.sampled(known) == known and sample.told(known) == ""
