"""Vectors that 16 bits hold are stored so, in one tensor, and a file answers as before."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from helpers.trials import finish
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn

from automl.compression.quantize import Quantize
from automl.export import half_vectors
from automl.export import onnx as export
from automl.measure.structure import structure
from automl.models.convnet import ConvNet
from automl.models.family import untrained
from automl.models.imported import Imported
from automl.training.loop import Train

FLOAT, HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
EXACT = np.arange(1, 65, dtype=np.float32) / 8
ODD = EXACT + np.float32(1e-6)
STEP = np.float32(0.00137)
STEPS = STEP * np.arange(1, 65, dtype=np.float32)


def graph_of(*vectors):
    """A model that adds vectors to its input, one after the other."""
    nodes, last = [], "x"
    for i in range(len(vectors)):
        nodes.append(helper.make_node("Add", [last, f"v{i}"], [f"y{i}"]))
        last = f"y{i}"
    held = [numpy_helper.from_array(vector, f"v{i}") for i, vector in enumerate(vectors)]
    rows = helper.make_tensor_value_info("x", FLOAT, ["n", len(vectors[0])])
    answers = helper.make_tensor_value_info(last, FLOAT, ["n", len(vectors[0])])
    return helper.make_graph(nodes, "g", [rows], [answers], held)


def joined(graph):
    half_vectors.join(graph, {"weight"})
    return [tensor.name for tensor in graph.initializer if tensor.data_type != HALF]


def answers_of(graph):
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(proto, full_check=True)
    return ReferenceEvaluator(proto).run(None, {"x": np.ones((2, 64), np.float32)})[0]


def test_vectors_become_one_and_answer_as_before():
    graph = graph_of(EXACT, -EXACT, 2 * EXACT)
    before = answers_of(graph)
    assert joined(graph) == ["halves.sizes"]
    assert np.array_equal(answers_of(graph), before)
    held = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    apart = half_vectors.taken_apart(graph, held)
    assert [*apart] == ["v0", "v1", "v2"] and np.array_equal(apart["v2"], 2 * EXACT)


def test_a_vector_that_16_bits_change_stays():
    assert joined(graph_of(EXACT, ODD)) == ["v1", "halves.sizes"]
    assert joined(graph_of(EXACT, EXACT * 1e6)) == ["v1", "halves.sizes"]


def test_a_vector_that_decides_on_the_work_of_a_node_stays():
    graph = graph_of(EXACT, 2 * EXACT)
    graph.node[1].op_type = "Pow"
    assert joined(graph) == ["v1", "halves.sizes"]


def test_few_numbers_stay():
    assert joined(graph_of(EXACT[:20], EXACT[:20])) == ["v0", "v1"]


def test_the_bias_of_an_integer_convolution_counts_by_the_steps_to_which_it_is_rounded():
    def kept(input_scale):
        nodes = [
            helper.make_node("DequantizeLinear", ["codes", "input_scale"], ["rows"]),
            helper.make_node("DequantizeLinear", ["weight", "scale"], ["w"], axis=0),
            helper.make_node("Conv", ["rows", "w", "bias"], ["y"]),
        ]
        held = {
            "input_scale": np.array(input_scale),
            "weight": np.ones((64, 4, 1), np.int8),
            "scale": np.full(64, 2, np.float32),
            "bias": STEPS,
        }
        codes = helper.make_tensor_value_info("codes", onnx.TensorProto.UINT8, ["n", 4, 1])
        answers = helper.make_tensor_value_info("y", FLOAT, ["n", 64, 1])
        tensors = [numpy_helper.from_array(values, name) for name, values in held.items()]
        return "bias" not in joined(helper.make_graph(nodes, "g", [codes], [answers], tensors))

    assert not np.array_equal(STEPS.astype(np.float16).astype(np.float32), STEPS)
    assert not kept(STEP / 20_000)
    assert kept(STEP / 2)


@pytest.mark.parametrize("step", [Quantize(8), Quantize(4)])
def test_quantized_networks_that_do_different_work_are_told_apart(step, context):
    step = replace(step, rounding="nearest", training=Train(epochs=0))
    resized = [
        untrained(Imported(f"{__name__}:Resized", options={"times": times}), context.data.info)
        for times in (2, 3)
    ]
    files = [export.export(finish(step.run(one, context)), context.data) for one in resized]
    assert structure(files[0]) != structure(files[1])


class Resized(nn.Module):
    """A network that looks at its images so many times as large."""

    def __init__(self, times):
        super().__init__()
        self.times = times
        self.first, self.last = nn.Conv2d(1, 64, 3), nn.Linear(64, 10)

    def forward(self, rows):
        larger = nn.functional.interpolate(self.first(rows), scale_factor=float(self.times))
        return self.last(larger.relu().mean((2, 3)))


def test_what_quantized_layers_hold_is_stored_so(context):
    quantized = finish(Quantize().run(untrained(ConvNet((32, 32)), context.data.info), context))
    proto = onnx.load_from_string(export.export(quantized, context.data))
    vectors = [t for t in proto.graph.initializer if len(t.dims) == 1 and t.dims[0] >= 32]
    assert [t.data_type for t in vectors] == [HALF]
