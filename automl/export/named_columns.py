"""A table's file whose inputs are the table's columns: numbers as such, categories as texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import onnx
from onnx import TensorProto, helper

from automl.export.graph_names import rename

ML, ML_OPSET = "ai.onnx.ml", 3
INNER = "/"
"""The beginning of every name within the file; a column that begins so gets another."""


def with_named_columns(file: bytes, columns: Mapping[str, Sequence[str]]) -> bytes:
    """The same model with an input (rows,) for each column in place of the one for all.

    A column without categories is float32, in which NaN is missing; one with categories is texts,
    of which any other than these, such as "", is missing. Answers are those of `file`.
    """
    proto = onnx.load_from_string(file)
    graph = proto.graph
    (row,), taken = graph.input, {value.name for value in graph.output}
    kept = frozenset(taken)
    rename(graph, lambda name: name if name in kept else f"{INNER}{name}")
    inputs, nodes, parts = [], [], []
    axis = f"{INNER}axis"
    for number, (column, categories) in enumerate(columns.items()):
        name = _free(column, taken)
        taken.add(name)
        kind = TensorProto.STRING if categories else TensorProto.FLOAT
        inputs.append(helper.make_tensor_value_info(name, kind, ["batch"]))
        code = f"{INNER}code{number}" if categories else name
        if categories:
            nodes.append(_encoder(name, code, categories))
        parts.append(f"{INNER}column{number}")
        nodes.append(helper.make_node("Unsqueeze", [code, axis], [parts[-1]]))
    nodes.append(helper.make_node("Concat", parts, [row.name], axis=1))
    every = [*nodes, *graph.node]
    del graph.input[:], graph.node[:]
    graph.input.extend(inputs)
    graph.node.extend(every)
    graph.initializer.append(helper.make_tensor(axis, TensorProto.INT64, [1], [1]))
    if all(known.domain != ML for known in proto.opset_import):
        proto.opset_import.append(helper.make_opsetid(ML, ML_OPSET))
    made: bytes = proto.SerializeToString()
    return made


def _encoder(texts: str, codes: str, categories: Sequence[str]) -> onnx.NodeProto:
    """The operator that makes codes of texts, NaN of any unknown one."""
    return helper.make_node(
        "LabelEncoder",
        [texts],
        [codes],
        domain=ML,
        keys_strings=list(categories),
        values_floats=[float(code) for code in range(len(categories))],
        default_float=math.nan,
    )


def _free(column: str, taken: set[str]) -> str:
    """A name of an input for a column: its own where that is free, else one with `_` behind."""
    name = column.removeprefix(INNER) or "_"
    while name in taken:
        name += "_"
    return name
