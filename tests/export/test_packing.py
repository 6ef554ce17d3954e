"""Weights of few bits come back from the file bit for bit."""

import math
from fractions import Fraction

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.compression.quantization_grid import stored_bits as stored_bits_of
from automl.export.opset import with_opset
from automl.export.packed_weights import stored_bits, unpacked
from automl.export.packing import LAYOUTS, pack, pack_weights

shapes = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple)


@given(shapes, st.sampled_from([*LAYOUTS]), st.integers(0, 1000))
def test_packed_codes_take_their_bits(shape, bits, seed):
    codes = np.random.default_rng(seed).choice(LAYOUTS[bits].levels, shape).astype(np.int8)
    packed = pack(codes, bits, LAYOUTS[bits].levels).nbytes
    least = LAYOUTS[bits].least_bytes(codes.size)
    assert least <= packed < least + LAYOUTS[bits].group_bytes
    assert least == math.ceil(Fraction(codes.size) * Fraction(str(stored_bits_of(bits))) / 8)


def graph_of(codes, bits):
    """A file that adds dequantized codes to its input."""
    make = onnx.helper
    scale = np.full(len(codes), 0.5, np.float32)
    graph = make.make_graph(
        [
            make.make_node("DequantizeLinear", ["codes", "scale"], ["weight"], axis=0),
            make.make_node("Add", ["input", "weight"], ["output"]),
        ],
        "g",
        [make.make_tensor_value_info("input", onnx.TensorProto.FLOAT, codes.shape)],
        [make.make_tensor_value_info("output", onnx.TensorProto.FLOAT, codes.shape)],
        [
            onnx.numpy_helper.from_array(codes, "codes"),
            onnx.numpy_helper.from_array(scale, "scale"),
        ],
    )
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 20)], ir_version=9)
    pack_weights(model, {"codes": bits})
    return model.SerializeToString()


def numbers_of(file):
    """The codes of a file, unpacked here."""
    graph = onnx.load_from_string(file).graph
    held = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    return unpacked(graph, held)["codes"]


@settings(max_examples=25, deadline=None)
@given(shapes, st.sampled_from([*LAYOUTS]), st.integers(0, 1000))
def test_onnxruntime_unpacks_them(shape, bits, seed):
    codes = np.random.default_rng(seed).choice(LAYOUTS[bits].levels, shape).astype(np.int8)
    file = graph_of(codes, bits)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"input": np.zeros(shape, np.float32)})
    assert np.array_equal(output, codes * np.float32(0.5))
    assert stored_bits(file) == {bits: codes.size}
    assert np.array_equal(numbers_of(file), codes)


@settings(max_examples=25, deadline=None)
@given(shapes, st.sampled_from([*LAYOUTS]), st.integers(0, 1000))
def test_onnxruntime_unpacks_codes_of_a_codebook(shape, bits, seed):
    rng = np.random.default_rng(seed)
    codes = rng.choice(rng.integers(-64, 65, len(LAYOUTS[bits].levels)), shape).astype(np.int8)
    file = graph_of(codes, bits)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"input": np.zeros(shape, np.float32)})
    assert np.array_equal(output, codes * np.float32(0.5))
    assert stored_bits(file) == {bits: codes.size}
    assert np.array_equal(numbers_of(file), codes)


@pytest.mark.parametrize("bits", LAYOUTS)
def test_a_large_layer_takes_little_more_than_its_bits(bits):
    codes = np.random.default_rng(0).choice(LAYOUTS[bits].levels, (64, 64, 3, 3)).astype(np.int8)
    assert len(graph_of(codes, bits)) < codes.size * stored_bits_of(bits) / 8 + 4 * 64 + 1000


@pytest.mark.parametrize("bits", [*LAYOUTS])
def test_other_operators_unpack_them_alike(bits):
    codes = np.random.default_rng(0).choice(LAYOUTS[bits].levels, (4, 6)).astype(np.int8)
    file, rows = graph_of(codes, bits), np.ones((4, 6), np.float32)
    first, other = (
        onnxruntime.InferenceSession(content).run(None, {"input": rows})[0]
        for content in (file, with_opset(file, 18))
    )
    np.testing.assert_array_equal(first, other)
