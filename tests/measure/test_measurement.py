import numpy as np
import pytest
from helpers.trials import load

from automl.data.sklearn import Sklearn
from automl.export import onnx
from automl.measure.latency import Estimate, Timing, sized, together
from automl.measure.measurement import Metrics, Reference, measure, measurement
from automl.models.convnet import ConvNet
from automl.models.family import untrained
from automl.models.mlp import MLP
from automl.runtimes import onnx as runtime
from automl.standard_errors import standard_errors


def test_figures_are_read_off_the_file(build, context):
    file = onnx.export(build(MLP((16,))), context.data)
    rows = context.data.validation
    figures = measure(file, rows.inputs, rows.targets)
    logits = runtime.session(file).run(None, {"input": rows.inputs})[0]
    assert figures.quality["accuracy"] == np.mean(logits.argmax(1) == rows.targets)
    assert figures.size_bytes == len(file)
    errors = standard_errors(logits, rows.targets)
    assert errors.items() <= figures.uncertainty.items() and "accuracy" in errors
    assert 0 < figures.latency_ms < 1000
    assert 0 < figures.load_ms < 10000
    assert 0 < figures.compressed_bytes <= figures.size_bytes + 100


def test_latency_is_told_in_units_of_the_reference(build, context):
    file = onnx.export(build(ConvNet((32, 32))), context.data)
    rows = context.data.validation
    figures = measure(file, rows.inputs, rows.targets, {"": Reference(file, 1000.0)})
    assert figures.latency_ms == pytest.approx(1000.0, rel=0.5)


def test_a_reference_of_rows_of_another_shape_is_timed_on_its_own(build, context):
    file = onnx.export(build(MLP((16,))), context.data)
    iris = load(Sklearn("iris"))
    other = onnx.export(untrained(MLP((16,)), iris.info), iris)
    rows = context.data.validation
    figures = measure(file, rows.inputs, rows.targets, {"": Reference(other, 1000.0)})
    assert 0 < figures.latency_ms < 100_000


def test_a_file_in_a_runtimes_own_format_has_a_size_of_its_own(build, context):
    file, row = onnx.export(build(MLP((16,))), context.data), context.data.validation.inputs[:1]
    plain = Timing(Estimate(1.0, 0.1), Estimate(2.0, 0.1))
    on = {"onnxruntime": sized(plain, file, ""), "executorch": sized(plain, b"12345", "executorch")}
    figures = measurement(file, Metrics({}, {}), together(on), row)
    assert figures.size_bytes == len(file)
    own = {"executorch/latency_ms": 1.0, "executorch/load_ms": 2.0, "executorch/size_bytes": 5}
    assert figures.further == own
    assert "executorch/size_bytes" not in figures.uncertainty
