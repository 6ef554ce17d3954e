"""The front of a search whose figures are uncertain."""

from dataclasses import replace

import pytest
from helpers.small_study import SETTINGS, complete
from hypothesis import given
from hypothesis import strategies as st

from automl import pareto
from automl.pareto import Axis
from automl.study.front import Front
from automl.study.record import TrialRecord
from automl.study.trial_id import TrialId

models = st.lists(
    st.tuples(
        st.integers(350, 359),
        st.integers(1, 4),
        st.sampled_from([0.0, 0.004, 0.01]),
        st.sampled_from([1.0, 1.1, 2.0]),
    ),
    min_size=1,
    max_size=10,
)


TIMED = replace(
    SETTINGS,
    objectives=("accuracy", "size_bytes", "latency_ms"),
    axes={**SETTINGS.axes, "latency_ms": Axis(100.0, 0.1, True)},
)


def ended(number, hits, kilobytes, error, latency_ms=1.0):
    """A trial whose latency is known to a tenth."""
    result = complete(hits / 359, 1000 * kilobytes)
    errors = {"accuracy": error, "latency_ms": 0.1 * latency_ms}
    figures = replace(result.measurement, latency_ms=latency_ms, uncertainty=errors)
    return TrialRecord(TrialId(number), {}, {}, result=replace(result, measurement=figures))


@given(models, st.randoms())
def test_the_front_does_not_depend_on_the_order_of_arrival(values, random):
    records = [ended(number, *one) for number, one in enumerate(values)]
    front = Front(TIMED, records)
    random.shuffle(records)
    again = Front(TIMED)
    for record in records:
        again.add(record)
        again.hypervolume  # noqa: B018
    assert (front.members, front.unbeaten) == (again.members, again.unbeaten)
    assert front.hypervolume == again.hypervolume


@given(models)
def test_members_are_unbeaten_and_make_the_hypervolume(values):
    front = Front(TIMED, [ended(number, *one) for number, one in enumerate(values)])
    assert {record.id for record in front.members} <= {record.id for record in front.unbeaten}
    figures = [record.values for record in front.members]
    assert front.hypervolume == pareto.hypervolume(figures, TIMED.axes)


@pytest.mark.parametrize("latencies", [(1.0, 1.01), (1.01, 1.0), (1.0, 1.0)])
def test_of_twins_noise_does_not_choose(latencies):
    front = Front(TIMED, [ended(n, 350, 2, 0.01, ms) for n, ms in enumerate(latencies)])
    assert [record.id.number for record in front.members] == [0]
    front.add(ended(2, 350, 2, 0.01, 0.5))
    assert [record.id.number for record in front.members] == [2]


def test_a_model_goes_when_a_smaller_one_may_be_as_good():
    front = Front(SETTINGS, [ended(0, 350, 9, 0.008)])
    before = front.hypervolume
    front.add(ended(1, 349, 3, 0.008))
    assert [record.id.number for record in front.members] == [1]
    assert [record.id.number for record in front.unbeaten] == [0, 1]
    assert front.hypervolume > before
    front.add(ended(2, 359, 8, 0.0))
    assert [record.id.number for record in front.members] == [1, 2]
