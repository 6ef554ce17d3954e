"""The front of a search whose figures are uncertain."""

from dataclasses import replace

from helpers.small_study import SETTINGS, complete
from hypothesis import given
from hypothesis import strategies as st

from automl import pareto
from automl.study.front import Front
from automl.study.record import TrialRecord
from automl.study.trial_id import TrialId

models = st.lists(
    st.tuples(st.integers(300, 359), st.integers(1, 9), st.sampled_from([0.0, 0.004, 0.01])),
    min_size=1,
    max_size=10,
)


def ended(number, hits, kilobytes, error):
    result = complete(hits / 359, 1000 * kilobytes)
    figures = replace(result.measurement, uncertainty={"accuracy": error})
    return TrialRecord(TrialId(number), {}, {}, result=replace(result, measurement=figures))


@given(models, st.randoms())
def test_the_front_does_not_depend_on_the_order_of_arrival(values, random):
    records = [ended(number, *one) for number, one in enumerate(values)]
    front = Front(SETTINGS, records)
    random.shuffle(records)
    again = Front(SETTINGS)
    for record in records:
        again.add(record)
        again.hypervolume  # noqa: B018
    assert (front.members, front.unbeaten) == (again.members, again.unbeaten)
    assert front.hypervolume == again.hypervolume


@given(models)
def test_members_are_unbeaten_and_make_the_hypervolume(values):
    front = Front(SETTINGS, [ended(number, *one) for number, one in enumerate(values)])
    assert {record.id for record in front.members} <= {record.id for record in front.unbeaten}
    figures = [record.values for record in front.members]
    assert front.hypervolume == pareto.hypervolume(figures, SETTINGS.axes)


def test_a_model_goes_when_a_smaller_one_may_be_as_good():
    front = Front(SETTINGS, [ended(0, 350, 9, 0.008)])
    before = front.hypervolume
    front.add(ended(1, 349, 3, 0.008))
    assert [record.id.number for record in front.members] == [1]
    assert [record.id.number for record in front.unbeaten] == [0, 1]
    assert front.hypervolume > before
    front.add(ended(2, 359, 8, 0.0))
    assert [record.id.number for record in front.members] == [1, 2]
