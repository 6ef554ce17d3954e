"""Times of a file: told beside a reference, with errors that repeats would show."""

import pytest

from automl.export import onnx
from automl.measure import latency
from automl.measure.latency import Estimate, Reference, timed
from automl.models.mlp import MLP


@pytest.fixture
def file(build, context):
    return onnx.export(build(MLP((16,))), context.data)


def test_times_are_told_in_units_of_the_reference(file, context):
    timing = timed(file, context.data.validation.inputs[:1], Reference(file, 1000.0, 500.0))
    assert timing.latency.value == pytest.approx(1000.0, rel=0.5)
    assert timing.load.value == pytest.approx(500.0, rel=0.9)
    assert 0.006 * timing.latency.value <= timing.latency.error < timing.latency.value


def test_a_load_time_is_told_as_it_is_where_the_references_is_not_known(file, context):
    timing = timed(file, context.data.validation.inputs[:1], Reference(file, 1000.0))
    assert 0 < timing.load.value < 1000


def test_a_file_whose_latency_is_known_is_only_loaded(file, context, monkeypatch):
    monkeypatch.setattr(latency, "latency_ms", None)
    known = Estimate(3.0, 0.1)
    timing = timed(file, context.data.validation.inputs[:1], latency=known)
    assert timing.latency is known
    assert timing.load.value > 0


def test_blocks_are_taken_until_the_figure_is_sure(file, context, monkeypatch):
    taken = []

    def steady(calls, rounds, clock):
        taken.append(rounds)
        return [5.0]

    monkeypatch.setattr(latency, "latency_ms", steady)
    timing = timed(file, context.data.validation.inputs[:1])
    assert timing.latency == Estimate(5.0, pytest.approx(5.0 * latency.LATENCY_FLOOR))
    assert len(taken) == 1 + latency.LEAST_BLOCKS
    taken.clear()
    monkeypatch.setattr(latency, "latency_ms", lambda *given: [1.0 + len(steady(*given) + taken)])
    monkeypatch.setattr(latency, "MOST_SECONDS", 60.0)
    timing = timed(file, context.data.validation.inputs[:1])
    assert len(taken) == 1 + latency.MOST_BLOCKS
    assert timing.latency.error > latency.LATENCY_PRECISION * timing.latency.value
