"""Screening refuses only what is of no use."""

from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from automl import pareto
from automl.measure.measurement import Measurement
from automl.pareto import Axis
from automl.study.propose.screening import screen
from automl.study.record import Settings, TrialRecord
from automl.study.trial_id import TrialId
from automl.trial.result import Status, TrialResult

AXES = {"accuracy": Axis(0.1, 1.0), "size_bytes": Axis(1e5, 1e2, True)}
SETTINGS = Settings("s", "", ("accuracy", "size_bytes"), (), {}, 0, "tpe", AXES, 1.0)
accuracies = st.sampled_from([0.5, 0.9, 1.0])
sizes = st.integers(1, 9).map(lambda kilobytes: 1000 * kilobytes)


@dataclass
class Bound:
    size_bytes: int
    macs: int = 0
    is_rejected: bool = False


def record(accuracy, size_bytes, number=0):
    measured = Measurement({"accuracy": accuracy}, size_bytes, 1.0, 1.0)
    return TrialRecord(
        TrialId(number), {}, {}, result=TrialResult(Status.COMPLETE, measurement=measured)
    )


@given(st.lists(st.tuples(accuracies, sizes), max_size=6), sizes, accuracies, sizes)
def test_nothing_that_is_refused_could_have_joined(front, least, accuracy, size_bytes):
    members = [record(*values) for values in front]
    size_bytes = max(least, size_bytes)
    values = [member.values for member in [*members, record(accuracy, size_bytes)]]
    joins = len(members) in pareto.front_positions(values, SETTINGS.objectives)
    for limit in (3000, 6000):
        limited = replace(SETTINGS, constraints=(f"size_bytes<={limit}",))
        joins_limited = joins and size_bytes <= limit
        assert not (joins_limited and screen(limited, members)(Bound(least)))
    assert not (joins and screen(SETTINGS, members)(Bound(least)))


def test_hopeless_candidates_are_screened():
    small = replace(SETTINGS, constraints=("size_bytes<=2000", "accuracy>=0.9"))
    assert screen(small, [])(Bound(1, is_rejected=True))
    assert screen(small, [])(Bound(2001)) and not screen(small, [])(Bound(2000))
    assert screen(SETTINGS, [record(1.0, 3000)])(Bound(3000))
    assert not screen(SETTINGS, [record(1.0, 3000)])(Bound(2999))
    timed = replace(SETTINGS, objectives=("accuracy", "size_bytes", "latency_ms"))
    assert not screen(timed, [record(1.0, 3000)])(Bound(3000))
