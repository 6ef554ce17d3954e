import numpy as np
import onnx as onnx_library
import pytest
import torch

from automl.export import onnx
from automl.models.convnet import ConvNet
from automl.models.deployed import Deployed, predict
from automl.models.mlp import MLP
from automl.runtimes import onnx as runtime


@pytest.mark.parametrize("family", [MLP((32,)), ConvNet((8, 16))])
def test_raw_rows_in_and_the_models_logits_out(family, build, context):
    network = build(family)
    file = onnx.export(network, context.data)
    rows = context.data.validation.inputs
    own = predict(Deployed(network, context.data.info), torch.from_numpy(rows)).numpy()
    for size in (1, 3, len(rows)):
        logits = runtime.run(runtime.session(file), rows[:size], batch_size=size)
        assert np.allclose(logits, own[:size], atol=1e-4)


def test_the_file_is_self_contained_and_holds_nothing_more(build, context):
    network = build(MLP((64, 64)))
    file = onnx.export(network, context.data)
    proto = onnx_library.load_from_string(file)
    assert [value.name for value in proto.graph.input] == ["input"]
    assert [value.name for value in proto.graph.output] == ["logits"]
    assert not any(tensor.external_data for tensor in proto.graph.initializer)
    assert not any(node.metadata_props for node in proto.graph.node)
    numbers = 64 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10
    assert len(file) < 4 * numbers + 220 * 3 + 500
    assert onnx.export(network, context.data) == file


def test_the_file_says_what_it_takes_and_what_its_logits_mean(build, context):
    signature = runtime.signature(runtime.session(onnx.export(build(MLP((8,))), context.data)))
    assert signature.row_shape == (64,)
    assert signature.classes == tuple("0123456789")


def test_the_body_of_a_branch_reads_what_is_around_it_by_its_new_name():
    helper, number = onnx_library.helper, onnx_library.TensorProto.FLOAT
    body = [
        helper.make_graph(
            [
                helper.make_node(
                    operator, ["seen", "a_long_name"], ["made"], name="n", doc_string="d"
                )
            ],
            f"body of {operator}",
            [],
            [helper.make_tensor_value_info("made", number, [None])],
        )
        for operator in ("Add", "Sub")
    ]
    value = onnx_library.numpy_helper.from_array(np.float32([1, 2]), "a_long_name")
    positive = onnx_library.numpy_helper.from_array(np.float32(0), "nothing")
    nodes = [
        helper.make_node("Identity", ["input"], ["seen"]),
        helper.make_node("ReduceSum", ["input"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "nothing"], ["is_positive"]),
        helper.make_node(
            "If", ["is_positive"], ["logits"], then_branch=body[0], else_branch=body[1]
        ),
    ]
    row, answer = (helper.make_tensor_value_info(n, number, [2]) for n in ("input", "logits"))
    graph = helper.make_graph(nodes, "graph", [row], [answer], [value, positive])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", onnx.OPSET)])
    onnx._strip(proto)
    onnx._shorten(proto.graph)
    onnx_library.checker.check_model(proto)
    assert b"name" not in proto.SerializeToString()
    session = runtime.session(proto.SerializeToString())
    for rows, expected in (([3, 4], [4, 6]), ([-3, -4], [-4, -6])):
        (answers,) = session.run(None, {"input": np.float32(rows)})
        assert answers.tolist() == expected
