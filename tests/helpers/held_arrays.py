"""A small ONNX model that holds arrays."""

from onnx import helper, numpy_helper


def file_of(*arrays):
    """A model that gives what it holds."""
    held = [numpy_helper.from_array(array, f"w{i}") for i, array in enumerate(arrays)]
    nodes = [helper.make_node("Identity", [t.name], [f"y{i}"]) for i, t in enumerate(held)]
    outputs = [
        helper.make_tensor_value_info(f"y{i}", t.data_type, t.dims) for i, t in enumerate(held)
    ]
    graph = helper.make_graph(nodes, "g", [], outputs, held)
    opsets = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)
