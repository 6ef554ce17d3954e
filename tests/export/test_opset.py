"""Files with older operators are such as runtimes of their time read, and answer as before."""

import numpy as np
import onnx
import pytest
from helpers.graphs import file_of, node
from onnxruntime import InferenceSession

from automl.errors import Rejected
from automl.export import packing, sparse
from automl.export.opset import with_opset

ROWS = {"x": ("batch", 64)}


def with_zeros(share):
    """A file with a function that puts together a weight of this share of zeros."""
    weight = np.arange(4096, dtype=np.float32).reshape(64, 64)
    weight[np.random.default_rng(0).random(weight.shape) < share] = 0
    model = onnx.load_from_string(file_of([node("MatMul", "x w", "y")], ROWS, ["y"], w=weight))
    sparse.pack(model)
    return model


def with_few_bits():
    """A file with a function that unpacks a weight of 3 bits."""
    codes = np.resize(packing.LAYOUTS[3].levels, (64, 64)).astype(np.int8)
    nodes = [node("DequantizeLinear", "c s", "w"), node("MatMul", "x w", "y")]
    model = onnx.load_from_string(file_of(nodes, ROWS, ["y"], c=codes, s=np.float32(0.5)))
    packing.pack_weights(model, {"c": 3})
    return model


def plain():
    return onnx.load_from_string(file_of([node("Sin", "x", "y")], ROWS, ["y"]))


@pytest.mark.parametrize(
    ("model", "function"),
    [(plain(), ""), (with_few_bits(), "W3"), (with_zeros(0.5), "Bits"), (with_zeros(0.97), "Gaps")],
    ids=["plain", "few bits", "half zeros", "zeros"],
)
@pytest.mark.parametrize(("opset", "format"), [(18, 8), (19, 9), (20, 9)])
def test_a_runtime_of_its_time_reads_a_file_as_a_whole(model, function, opset, format):
    assert [known.name for known in model.functions] == [function] * bool(function)
    changed = with_opset(model.SerializeToString(), opset)
    proto = onnx.load_from_string(changed)
    assert proto.ir_version == format
    imports = [*proto.opset_import, *(one for own in proto.functions for one in own.opset_import)]
    assert {own.version for own in imports if not own.domain} == {opset}
    rows = {"x": np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)}
    files = (model.SerializeToString(), changed)
    first, other = (InferenceSession(file).run(None, rows)[0] for file in files)
    np.testing.assert_array_equal(first, other)


def test_a_function_that_cannot_be_said_in_a_version_is_refused():
    file = with_zeros(0.5).SerializeToString()
    with pytest.raises(Rejected, match=r"no equal in that version: .*BitwiseAnd"):
        with_opset(file, 17)
    assert onnx.load_from_string(with_opset(with_zeros(0.97).SerializeToString(), 17)).functions
