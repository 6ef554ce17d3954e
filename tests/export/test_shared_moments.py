"""Batch norms that stay in a file share a mean and a variance, and answer as before."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from automl.export.shared_moments import share_moments
from automl.runtimes import onnx as runtime

PARTS = ("scale", "bias", "mean", "variance")


def chained(*names, farther=0.0):
    """A file of batch norms one after the other, of which `b` has means so much farther."""
    drawn, width = np.random.default_rng(0), 5
    tensors = [
        numpy_helper.from_array(
            (drawn.uniform(0.5, 2.0, width) + farther * ((name, part) == ("b", "mean"))).astype(
                np.float32
            ),
            f"{name}.{part}",
        )
        for name in dict.fromkeys(names)
        for part in PARTS
    ]
    values = ["input", *(f"v{position}" for position in range(1, len(names))), "logits"]
    nodes = [
        helper.make_node(
            "BatchNormalization",
            [values[position], *(f"{name}.{part}" for part in PARTS)],
            [values[position + 1]],
            epsilon=0.01 * (position + 1),
        )
        for position, name in enumerate(names)
    ]
    shape = ["rows", width]
    ends = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in (values[0], "logits")
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def answers(proto, rows):
    return runtime.run(runtime.session(proto.SerializeToString()), rows)


@pytest.mark.parametrize(
    ("names", "farther", "num_tensors"), [("abc", 0, 8), ("abb", 0, 8), ("ab", 1e4, 8), ("a", 0, 4)]
)
def test_norms_of_one_width_share_moments_unless_these_are_far_apart(names, farther, num_tensors):
    proto = chained(*names, farther=farther)
    rows = np.random.default_rng(1).normal(size=(7, 5)).astype(np.float32)
    before = answers(proto, rows)
    share_moments(proto.graph)
    onnx.checker.check_model(proto, full_check=True)
    assert len(proto.graph.initializer) == num_tensors
    after = answers(proto, rows)
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5)


def test_norms_of_one_scale_and_bias_keep_their_own_moments_in_them():
    proto = chained("a", "b", "c")
    for node in proto.graph.node[1:]:
        node.input[1:3] = proto.graph.node[0].input[1:3]
        node.attribute[0].f = proto.graph.node[0].attribute[0].f
    rows = np.random.default_rng(1).normal(size=(7, 5)).astype(np.float32)
    before = answers(proto, rows)
    share_moments(proto.graph)
    np.testing.assert_allclose(answers(proto, rows), before, rtol=1e-5, atol=1e-5)
