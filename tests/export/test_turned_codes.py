"""Codes that are read turned are stored so, and a file answers as before."""

import numpy as np
import onnx
import pytest
from helpers.trials import finish
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from automl.compression.quantize import Quantize
from automl.export import onnx as export
from automl.export.turned_codes import store_turned
from automl.models.transformer import Transformer
from automl.runtimes import onnx as runtime

CODES = np.random.default_rng(0).integers(-90, 90, (6, 4)).astype(np.int8)
SCALE = np.arange(1, 7, dtype=np.float32)


def file_of(*, turns, axis=0, scale=SCALE):
    """A model of rows times codes, which are read turned so many times."""
    nodes = [helper.make_node("DequantizeLinear", ["codes", "scale"], ["w"], axis=axis)]
    for i in range(turns):
        nodes.append(helper.make_node("Transpose", ["w"], [f"t{i}"], perm=[1, 0]))
        nodes.append(helper.make_node("MatMul", ["x", f"t{i}"], [f"p{i}"]))
    nodes.append(helper.make_node("Sum", [f"p{i}" for i in range(turns)], ["y"]))
    held = [numpy_helper.from_array(CODES, "codes"), numpy_helper.from_array(scale, "scale")]
    rows = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 4])
    answers = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 6])
    graph = helper.make_graph(nodes, "g", [rows], [answers], held)
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def answers_of(proto):
    rows = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    onnx.checker.check_model(proto, full_check=True)
    # Not onnxruntime: it rounds rows of floats that meet codes stored in this order.
    return ReferenceEvaluator(proto).run(None, {"x": rows})[0]


@pytest.mark.parametrize(("axis", "scale"), [(0, SCALE), (1, SCALE[:4])])
def test_codes_that_are_read_turned_are_stored_turned(axis, scale):
    proto = file_of(turns=1, axis=axis, scale=scale)
    before = answers_of(proto)
    store_turned(proto.graph)
    assert list(proto.graph.initializer[0].dims) == [4, 6]
    assert "Transpose" not in {node.op_type for node in proto.graph.node}
    assert np.allclose(answers_of(proto), before)


def test_codes_that_are_read_otherwise_stay():
    proto = file_of(turns=2)
    before = proto.SerializeToString()
    store_turned(proto.graph)
    assert proto.SerializeToString() == before


@pytest.mark.parametrize("bits", [8, 4])
def test_a_file_turns_no_codes_of_the_layers_of_a_transformer(bits, build, context):
    step = Quantize(bits, activation_bits=None)
    network = finish(step.run(build(Transformer()), context))
    file = export.export(network, context.data)
    graph = onnx.load_from_string(file).graph
    made = {output: node.op_type for node in graph.node for output in node.output}
    turned = [node for node in graph.node if node.op_type == "Transpose"]
    assert not [node for node in turned if made.get(node.input[0]) == "DequantizeLinear"]
    kinds = {node.op_type for node in onnx.load_from_string(runtime.optimised(file)).graph.node}
    assert kinds & {"DynamicQuantizeMatMul", "MatMulIntegerToFloat"}
