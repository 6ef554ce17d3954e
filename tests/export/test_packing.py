"""Weights of few bits come back from the file bit for bit."""

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl.export.packing import CODES, pack, pack_weights, stored_bits

shapes = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple)


@given(shapes, st.sampled_from([4, 2, 1]), st.integers(0, 1000))
def test_packed_codes_take_their_bits(shape, bits, seed):
    codes = np.random.default_rng(seed).choice(CODES[bits], shape).astype(np.int8)
    assert pack(codes, bits, CODES[bits]).nbytes == -(-codes.size * bits // 8)


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
    pack_weights(graph, {"codes": bits})
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 20)], ir_version=9)
    return model.SerializeToString()


@settings(max_examples=25, deadline=None)
@given(shapes, st.sampled_from([4, 2, 1]), st.integers(0, 1000))
def test_onnxruntime_unpacks_them(shape, bits, seed):
    codes = np.random.default_rng(seed).choice(CODES[bits], shape).astype(np.int8)
    file = graph_of(codes, bits)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"input": np.zeros(shape, np.float32)})
    assert np.array_equal(output, codes * np.float32(0.5))
    assert stored_bits(file) == {bits: codes.size}


@settings(max_examples=25, deadline=None)
@given(shapes, st.sampled_from([4, 2, 1]), st.integers(0, 1000))
def test_onnxruntime_unpacks_codes_of_a_codebook(shape, bits, seed):
    rng = np.random.default_rng(seed)
    codes = rng.choice(rng.integers(-64, 65, 2**bits), shape).astype(np.int8)
    file = graph_of(codes, bits)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"input": np.zeros(shape, np.float32)})
    assert np.array_equal(output, codes * np.float32(0.5))
    assert stored_bits(file) == {bits: codes.size}


@pytest.mark.parametrize("bits", [4, 2, 1])
def test_a_large_layer_takes_little_more_than_its_bits(bits):
    codes = np.random.default_rng(0).choice(CODES[bits], (64, 64, 3, 3)).astype(np.int8)
    assert len(graph_of(codes, bits)) < codes.size * bits / 8 + 4 * 64 + 1000
