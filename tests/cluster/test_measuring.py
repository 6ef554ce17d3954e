"""Timing through the measurers: each structure once, also after their process was lost."""

from dataclasses import replace

import pytest
import ray
from helpers.trials import DIGITS, drive
from onnx.parser import parse_model

from automl.cluster.measuring import MeasurerClient, Measurers
from automl.data import dataset
from automl.measure.latency import Reference
from automl.models.mlp import MLP
from automl.runtimes.onnx import OnnxRuntime
from automl.space.runtime import ONNX, by_name
from automl.space.space import TrialConfig
from automl.training.loop import Train

ONE = by_name([OnnxRuntime()])


@pytest.fixture
def made(store, tmp_path):
    """An exported file, and the rows that it is measured on."""
    config = TrialConfig(DIGITS, MLP((16,)), (Train(epochs=2),))
    _, result = drive(config, store)
    return store.read(result.key, "model.onnx"), dataset.load(DIGITS, 0, tmp_path).validation


def other_weights(file):
    """The file of an equal network that has learned something else."""
    return file.replace(file[2000:2064], file[2064:2128], 1)


def test_equal_structures_have_one_latency_also_after_the_measurer_was_lost(
    ray_session, made, store
):
    file, rows = made
    measurers = Measurers.of(store, {"onnxruntime": Reference(file, 7.0, 3.0)})
    client = MeasurerClient(measurers, store)
    timing = client(file, rows.inputs[:1], None)()
    assert timing.latency.value == pytest.approx(7.0, rel=0.5), "it is its own reference"
    assert timing.load.value == pytest.approx(3.0, rel=0.9)
    for actor in measurers.actors:
        ray.kill(actor, no_restart=False)
    like = other_weights(file)
    assert like != file
    again = MeasurerClient(Measurers.of(store, {"onnxruntime": Reference(file, 7.0, 3.0)}), store)
    assert client(like, rows.inputs[:1], None)() == again(file, rows.inputs[:1], None)() == timing
    assert client.waited_seconds >= 0


def test_a_lost_measurer_is_made_anew(ray_session, made, store):
    file, rows = made
    measurers = Measurers.of(store, {"onnxruntime": Reference(file, 7.0)})
    for actor in measurers.actors:
        ray.kill(actor, no_restart=False)
    timing = MeasurerClient(measurers, store)(file, rows.inputs[:1], None)()
    assert timing.latency.value == pytest.approx(7.0, rel=0.5)


def test_a_file_is_calibrated_with_its_quality_where_it_has_learned(ray_session, made, store):
    file, rows = made
    for has_learned in (True, False):
        measurers, figures = Measurers.calibrate(store, {ONNX: file}, rows, has_learned, ONE)
        assert ("accuracy" in figures.quality) == has_learned
        assert figures.size_bytes == len(file)
        reference = ray.get(measurers.beside["onnxruntime"].reference)
        assert (reference.latency_ms, reference.load_ms) == (figures.latency_ms, figures.load_ms)


def test_a_file_that_cannot_be_timed_raises_where_it_is_waited_for(ray_session, made, store):
    file, rows = made
    client = MeasurerClient(Measurers.of(store, {"onnxruntime": Reference(file, 7.0)}), store)
    head = '<ir_version: 9, opset_import: ["" : 20]> g (float[N, 4] x) => (float[N, 4] y) '
    broken = parse_model(head + "{ y = Unheard(x) }").SerializeToString()
    wait = client(broken, rows.inputs[:1], None)
    with pytest.raises(Exception, match="Unheard"):
        wait()


def test_a_measurer_on_another_kind_of_machine_answers_where_no_other_is_left(
    ray_session, made, store
):
    file, rows = made
    measurers = replace(
        Measurers.of(store, {"onnxruntime": Reference(file, 7.0)}), kind="an abacus"
    )
    timing = MeasurerClient(measurers, store)(file, rows.inputs[:1], None)()
    assert timing.note == "no machine with an abacus was left to measure its latency"
