"""Small ONNX files of a few operators, for what is counted and timed node by node."""

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

OPSETS = [helper.make_opsetid("", 20)]


def file_of(nodes, inputs, outputs, kind=TensorProto.FLOAT, **held):
    """The bytes of a file, its inputs by name with their shapes."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in held.items()],
    )
    return helper.make_model(graph, opset_imports=OPSETS, ir_version=10).SerializeToString()


def node(operator, inputs, output, **attributes):
    """A node; names are split at blanks, and one that is missing is written as -."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(operator, names, output.split(), **attributes)


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)
