"""Exports a network as a self-contained ONNX file: raw rows in, logits out, nothing idle in it."""

from __future__ import annotations

import functools
import gc
import json
import logging
import warnings

import numpy as np
import onnx
import torch

from automl.compression.calibration import calibration_rows
from automl.compression.coded_weight import coded_weights
from automl.compression.fold_batch_norm import fold_batch_norm
from automl.compression.proof import PROOF_ROWS
from automl.data.dataset import Data
from automl.export import packing, sparse
from automl.export.onnx_patches import keep_operators
from automl.export.shared_tensors import share
from automl.models.deployed import Deployed, seen_by
from automl.models.family import Network

# torch's exporter reports each optional operator set that is missing; none is needed here.
logging.getLogger("torch.onnx").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)

OPSET = 20
NEUTRAL = {"dilations": 1, "strides": 1, "pads": 0}
MAX_BATCH = 2**20


def export(network: Network, data: Data) -> bytes:
    """The bytes of `model.onnx`: input `input` (batch, raw row), output `logits`, or
    `prediction` of a regression."""
    keep_operators()
    info = data.info
    seen = seen_by(network, calibration_rows(data, PROOF_ROWS).inputs, info)
    deployed = Deployed(fold_batch_norm(network, seen).cpu(), info).eval()
    row = torch.from_numpy(data.train.inputs[:2])
    row = row.long() if info.num_tokens else row.float()
    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
    with torch.no_grad():
        program = torch.onnx.export(
            deployed,
            (row,),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=["input"],
            output_names=["logits" if info.classes else "prediction"],
            dynamic_shapes=({0: batch},),
            external_data=False,
        )
    assert program is not None
    proto = program.model_proto
    _strip(proto)
    packing.scale_at_load(proto.graph, _signs(deployed.model))
    packing.pack_weights(proto.graph, _widths(deployed.model))
    share(proto.graph)
    _shorten(proto.graph)
    sparse.pack(proto)
    if info.classes:
        proto.metadata_props.add(key="classes", value=json.dumps(info.classes))
    if info.columns:
        columns = {column.name: column.categories for column in info.columns}
        proto.metadata_props.add(key="columns", value=json.dumps(columns))
    file: bytes = proto.SerializeToString()
    return file


@functools.cache
def leave_out_of_collections() -> None:
    """Have this process's garbage collections pass over what the first file has loaded.

    That is for a process that exports again and again: to walk through it takes a third of a
    second, and every second file brings that about.
    """
    gc.collect()
    gc.freeze()


def _signs(network: Network) -> set[str]:
    """The initializers of codes that meet no integers."""
    found = coded_weights(network)
    return {f"model.{name}" for name, _, weight in found if not weight.activation_bits}


def _widths(network: Network) -> dict[str, int]:
    """The bits of each initializer of codes that can be packed."""
    found = coded_weights(network)
    return {f"model.{name}": weight.bits for name, _, weight in found if weight.bits < 8}


def weights(file: bytes) -> dict[str, np.ndarray]:
    """The numbers that a file holds, by the name of their initializer; packed ones unpacked."""
    proto = onnx.load_from_string(file)
    held = {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}
    return packing.unpacked(proto.graph, sparse.unpacked(proto, held))


def _strip(proto: onnx.ModelProto) -> None:
    """Take out what no runtime needs: names of nodes, documentation, inferred shapes.

    The passes of onnx-ir clear documentation and metadata alone; names, attributes at their
    defaults and shapes would stay, so that all of it is done here.
    """
    proto.producer_name = proto.producer_version = proto.doc_string = ""
    graph = proto.graph
    graph.name = "g"
    graph.doc_string = ""
    for messages in (proto.metadata_props, proto.functions, graph.value_info, graph.metadata_props):
        del messages[:]
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        item.doc_string = ""
        del item.metadata_props[:]
    for node in graph.node:
        node.name = ""
        kept = [attribute for attribute in node.attribute if not _is_default(node, attribute)]
        del node.attribute[:]
        node.attribute.extend(kept)


def _is_default(node: onnx.NodeProto, attribute: onnx.AttributeProto) -> bool:
    """Tell if an attribute says what its absence would."""
    value = onnx.helper.get_attribute_value(attribute)
    if attribute.name in NEUTRAL:
        return set(value) == {NEUTRAL[attribute.name]}
    known = onnx.defs.get_schema(node.op_type, OPSET, node.domain).attributes[attribute.name]
    default = known.default_value
    return bool(default.type and onnx.helper.get_attribute_value(default) == value)


def _shorten(graph: onnx.GraphProto) -> None:
    """Rename every value but the inputs and outputs to a short number."""
    kept = {value.name for value in (*graph.input, *graph.output)}
    names = [t.name for t in graph.initializer] + [o for node in graph.node for o in node.output]
    short = {name: format(i, "x") for i, name in enumerate(n for n in names if n not in kept)}
    for tensor in graph.initializer:
        tensor.name = short.get(tensor.name, tensor.name)
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [short.get(name, name) for name in values]
