"""Exports a network as a self-contained ONNX file: raw rows in, logits out, nothing idle in it."""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
import json
import logging
import string
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np
import onnx
import torch

from automl.compression.calibration import calibration_rows
from automl.compression.coded_weight import coded_weights
from automl.compression.fold_batch_norm import fold_batch_norm
from automl.compression.proof import PROOF_ROWS
from automl.data.dataset import Data
from automl.data.padding import LEAST
from automl.errors import Rejected
from automl.export import (
    half_vectors,
    joined_codes,
    packed_weights,
    packing,
    short_integers,
    sparse,
)
from automl.export.complaints import FIXED_ROWS, complaint
from automl.export.dynamic_inputs import compute_with_integers
from automl.export.free_length import free_length
from automl.export.graph_names import graphs, rename
from automl.export.kept_graphs import KeptGraphs
from automl.export.onnx_patches import keep_operators, masks_as_they_are, traced_once
from automl.export.scaled_codes import scale_at_load
from automl.export.shared_moments import share_moments
from automl.export.shared_tensors import share
from automl.export.shorter_texts import takes_shorter
from automl.export.turned_codes import store_turned
from automl.models.deployed import Deployed, seen_by
from automl.models.family import Network
from automl.models.torch_patches import ending_hooks

# torch's exporter reports each optional operator set that is missing; none is needed here. What
# it cannot do is raised, and told in our own words.
for name in ("torch.onnx", "torch.export", "torch.fx.experimental.symbolic_shapes", "onnxscript"):
    logging.getLogger(name).setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
# At times it takes the list in which a recurrent layer keeps its weights for one made meanwhile.
warnings.filterwarnings("ignore", message="The tensor attributes? .*_flat_weights")

OPSET = 20
NEUTRAL = {"dilations": 1, "strides": 1, "pads": 0}
MAX_BATCH = 2**20
BFLOAT16 = onnx.TensorProto.BFLOAT16
GRAPHS = KeptGraphs()


def export(network: Network, data: Data) -> bytes:
    """The bytes of `model.onnx`: input `input` (batch, raw row), output `logits`, or
    `prediction` of a regression. Raises Rejected on a module that cannot be one."""
    info = data.info
    seen = seen_by(network, calibration_rows(data, PROOF_ROWS).inputs, info)
    deployed = Deployed(fold_batch_norm(network, seen).cpu(), info).eval()
    row = torch.from_numpy(data.train.inputs[:2])
    row = row.long() if info.num_tokens else row.float()
    longest = row.shape[1] if info.num_tokens and takes_shorter(deployed, data) else None
    proto = _traced(deployed, row, "logits" if info.classes else "prediction", longest)
    _compute_in_fp32(proto)
    _strip(proto)
    share_moments(proto.graph)
    compute_with_integers(proto.graph)
    scale_at_load(proto.graph, _signs(deployed.model))
    store_turned(proto.graph)
    packing.pack_weights(proto, joined_codes.join(proto.graph, _widths(deployed.model)))
    share(proto.graph)
    half_vectors.join(proto.graph, _integer_convolutions(deployed.model))
    _shorten(proto.graph)
    sparse.pack(proto)
    short_integers.shorten(proto.graph)
    if longest is not None and _free(proto, 1):
        proto.metadata_props.add(key="length", value=str(longest))
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


def _traced(
    deployed: Deployed, row: torch.Tensor, output: str, longest: int | None
) -> onnx.ModelProto:
    """The graph of a module for any number of rows, and of any length up to the `longest` where
    that can be, as torch's exporter gives it. Raises Rejected where there is none."""
    keep_operators()
    rows = {0: torch.export.Dim("batch", min=1, max=MAX_BATCH)}
    proto = None
    if longest is not None:
        length = torch.export.Dim("length", min=LEAST, max=longest)
        # A module may know only the whole length; what else is wrong is told below.
        with contextlib.suppress(Exception):
            proto = _exported(deployed, row, output, {**rows, 1: length})
    try:
        proto = proto or _exported(deployed, row, output, rows)
    except Exception as error:
        raise Rejected(f"cannot be exported to ONNX: {complaint(error)}") from error
    if not _free(proto, 0):
        raise Rejected(f"cannot be exported to ONNX: {FIXED_ROWS}")
    return proto


def _free(proto: onnx.ModelProto, dimension: int) -> bool:
    """Tell if a file leaves the size of a dimension of its input open."""
    return bool(proto.graph.input[0].type.tensor_type.shape.dim[dimension].dim_param)


def _exported(
    deployed: Deployed, row: torch.Tensor, output: str, free: Mapping[int, torch.export.Dim]
) -> onnx.ModelProto:
    """The graph of a module for rows of which some dimensions are free."""
    named = tuple((at, dim.__name__, dim.min, dim.max) for at, dim in free.items())
    asked = (row.shape, row.dtype, output, named)
    program = GRAPHS.program(deployed, asked, lambda: _trace(deployed, row, output, free))
    program.optimize()
    proto: onnx.ModelProto = program.model_proto
    return proto


def _trace(
    deployed: Deployed, row: torch.Tensor, output: str, free: Mapping[int, torch.export.Dim]
) -> torch.onnx.ONNXProgram:
    """The program of a module as torch's exporter traces it, not optimized yet."""
    body = deployed.model.body
    with torch.no_grad(), free_length(body), masks_as_they_are(), traced_once(), ending_hooks():
        program = torch.onnx.export(
            deployed,
            (row,),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=["input"],
            output_names=[output],
            dynamic_shapes=(dict(free),),
            external_data=False,
            optimize=False,
        )
    assert program is not None
    return program


def _signs(network: Network) -> set[str]:
    """The initializers of codes that meet no integers."""
    found = coded_weights(network)
    return {f"model.{name}" for name, _, weight in found if not weight.activation_bits}


def _integer_convolutions(network: Network) -> set[str]:
    """The initializers of codes that a runtime convolves with integers."""
    found = coded_weights(network)
    return {f"model.{name}" for name, _, weight in found if weight.is_integer_convolution}


def _widths(network: Network) -> dict[str, float]:
    """The bits of each initializer of codes that can be packed."""
    found = coded_weights(network)
    return {f"model.{name}": weight.bits for name, _, weight in found if weight.bits < 8}


def weights(file: bytes) -> dict[str, np.ndarray]:
    """The numbers that a file holds, by the name of their initializer; packed ones unpacked."""
    proto = onnx.load_from_string(file)
    held = {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}
    held = half_vectors.taken_apart(proto.graph, sparse.unpacked(proto, held))
    return joined_codes.taken_apart(proto.graph, packed_weights.unpacked(proto.graph, held))


def _compute_in_fp32(proto: onnx.ModelProto) -> None:
    """Turn bfloat16, for which runtimes lack most operators, into fp32."""
    for graph in graphs(proto.graph):
        _widen(graph.initializer)
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.name == "to" and attribute.i == BFLOAT16:
                    attribute.i = onnx.TensorProto.FLOAT
                if attribute.type == onnx.AttributeProto.TENSOR:
                    _widen([attribute.t])
        for value in (*graph.input, *graph.output):
            if value.type.tensor_type.elem_type == BFLOAT16:
                value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT


def _widen(tensors: Iterable[onnx.TensorProto]) -> None:
    """Give tensors of bfloat16 the same numbers in fp32."""
    for tensor in tensors:
        if tensor.data_type == BFLOAT16:
            numbers = onnx.numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(numbers, tensor.name))


def _strip(proto: onnx.ModelProto) -> None:
    """Take out what no runtime needs: names of nodes, documentation, inferred shapes.

    The passes of onnx-ir clear documentation and metadata alone; names, attributes at their
    defaults and shapes would stay, so that all of it is done here.
    """
    proto.producer_name = proto.producer_version = proto.doc_string = ""
    for messages in (proto.metadata_props, proto.functions):
        del messages[:]
    for graph in graphs(proto.graph):
        graph.name = "g"
        graph.doc_string = ""
        for messages in (graph.value_info, graph.metadata_props):
            del messages[:]
        for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
            item.doc_string = ""
            del item.metadata_props[:]
        shapes = [t for t in graph.initializer if t.data_type == onnx.TensorProto.INT64]
        plain = {t.name for t in shapes if 0 not in onnx.numpy_helper.to_array(t)}
        for node in graph.node:
            node.name = ""
            kept = [one for one in node.attribute if not _says_nothing(node, one, plain)]
            del node.attribute[:]
            node.attribute.extend(kept)


def _says_nothing(
    node: onnx.NodeProto, attribute: onnx.AttributeProto, plain: Collection[str]
) -> bool:
    """Tell if an attribute says what its absence would. `plain` are shapes without a 0."""
    if attribute.name == "allowzero":
        return node.input[1] in plain
    value = onnx.helper.get_attribute_value(attribute)
    if attribute.name in NEUTRAL:
        return set(value) == {NEUTRAL[attribute.name]}
    known = onnx.defs.get_schema(node.op_type, OPSET, node.domain).attributes[attribute.name]
    default = known.default_value
    return bool(default.type and onnx.helper.get_attribute_value(default) == value)


def _shorten(graph: onnx.GraphProto) -> None:
    """Rename every value but the inputs and outputs to a few letters, in bodies too: the shortest
    names go to those that are named most often."""
    kept = {value.name for value in (*graph.input, *graph.output)}
    named = Counter[str]()
    for each in graphs(graph):
        named.update(value.name for value in (*each.initializer, *each.input))
        named.update(name for node in each.node for name in (*node.input, *node.output) if name)
    short = dict(zip((n for n, _ in named.most_common() if n not in kept), _names()))
    rename(graph, lambda name: short.get(name, name))


def _names() -> Iterator[str]:
    """All names of one letter, then those of two, and so on."""
    for length in itertools.count(1):
        yield from map("".join, itertools.product(string.ascii_letters, repeat=length))
