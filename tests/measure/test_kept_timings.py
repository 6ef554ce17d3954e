"""Times of files in the store: taken once for each structure, beside one reference."""

import numpy as np
import pytest
from helpers.trials import finish, load

from automl.compression.quantize import Quantize
from automl.data.sklearn import Sklearn
from automl.export import onnx
from automl.measure import kept_timings
from automl.measure.kept_timings import KeptTimings, calibration
from automl.measure.latency import Estimate, Reference, Timing
from automl.measure.structure import structure
from automl.models.family import untrained
from automl.models.mlp import MLP
from automl.runtimes.onnx import OnnxRuntime
from automl.runtimes.own_formats import ExecuTorch


@pytest.fixture
def taken(monkeypatch):
    """The latencies that were known when files were timed; each timing gives new figures."""
    known = []

    def timed(file, row, reference, latency):
        known.append(latency)
        return Timing(latency or Estimate(len(known), 0.1), Estimate(10 + len(known), 0.2))

    monkeypatch.setattr(kept_timings, "timed", timed)
    return known


def test_a_structure_is_timed_once_whatever_it_has_learned(context, store, taken):
    reference, row = Reference(b"file", 1.0, 2.0), context.data.validation.inputs[:1]
    info = load(Sklearn("digits")).info
    first, other = (onnx.export(untrained(MLP((16,)), info), context.data) for _ in range(2))
    assert first != other
    times = KeptTimings(store, calibration(reference), "a machine").time(
        structure(first), first, row, reference
    )
    again = KeptTimings(store, calibration(reference), "a machine")
    assert (
        again.time(structure(other), other, row, reference) == again.find(structure(other)) == times
    )
    assert taken == [None]


def test_files_that_run_alike_have_one_latency_and_load_times_of_their_own(
    build, context, store, taken
):
    reference, row = Reference(b"file", 1.0), context.data.validation.inputs[:1]
    kept, network = KeptTimings(store, "calibration", "a machine"), build(MLP((64,)))
    steps = [Quantize(bits=bits, ends_bits=bits, rounding="nearest") for bits in (8, 4)]
    files = [onnx.export(finish(step.run(network, context)), context.data) for step in steps]
    eight, four = (kept.time(structure(file), file, row, reference) for file in files)
    assert eight.latency == four.latency
    assert eight.load != four.load
    assert taken == [None, eight.latency]


def test_another_machine_or_another_reference_is_timed_anew(context, build, store, taken):
    file, row = onnx.export(build(MLP((16,))), context.data), np.zeros((1, 64), np.float32)
    one, other = Reference(b"file", 1.0, 2.0), Reference(b"file", 1.0, 3.0)
    KeptTimings(store, calibration(one), "a machine").time(structure(file), file, row, one)
    KeptTimings(store, calibration(one), "another machine").time(structure(file), file, row, one)
    KeptTimings(store, calibration(other), "a machine").time(structure(file), file, row, other)
    assert len(taken) == 3


def test_what_a_runtime_leaves_to_others_is_kept_and_each_runtime_has_its_own_times(
    context, build, store
):
    file, row = onnx.export(build(MLP((16,))), context.data), np.zeros((1, 64), np.float32)
    note, asked = "OpenVINO runs none of its 5 nodes; 5 by CPU", []

    def take(file, row, reference, latency):
        asked.append((reference.runtime.name, latency))
        return Timing(Estimate(len(asked), 0.1), Estimate(1.0, 0.1), note)

    for runtime in (OnnxRuntime(), OnnxRuntime("OpenVINO"), OnnxRuntime("OpenVINO", batch=8)):
        beside = Reference(b"file", 1.0, 2.0, runtime)
        kept = KeptTimings(store, calibration(beside), "a machine", take)
        timing = kept.time(structure(file), file, row, beside)
        assert kept.find(structure(file)) == kept.time(structure(file), file, row, beside) == timing
        assert timing.note == note and timing.machine == "a machine"
    assert asked == [("onnxruntime", None), ("openvino", None), ("openvino", None)]


def test_a_file_in_a_runtimes_own_format_is_kept_by_the_structure_of_the_onnx_file(store, taken):
    reference = Reference(b"reference.pte", 1.0, 2.0, ExecuTorch())
    kept = KeptTimings(store, calibration(reference), "a machine")
    times = kept.time("structure", b"model.pte", np.zeros((1, 64), np.float32), reference)
    assert kept.find("structure") == times


def test_times_of_a_machine_that_took_anothers_place_are_told_and_not_kept(context, build, store):
    file, row = onnx.export(build(MLP((16,))), context.data), np.zeros((1, 64), np.float32)

    def take(file, row, reference, latency):
        return Timing(Estimate(1.0, 0.1), Estimate(1.0, 0.1), machine="B, onnxruntime 1")

    kept = KeptTimings(store, "calibration", "A, onnxruntime 1", take)
    timing = kept.time(structure(file), file, row, Reference(b"file", 1.0))
    assert timing.note == "timed on B, onnxruntime 1, the search on A, onnxruntime 1"
    assert kept.find(structure(file)) is None
